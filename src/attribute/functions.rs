//! Functions by CPU time per request.

use super::blame::{self, Function};
use super::names;
use super::side::{Side, is_request_work};
use crate::analysis::FunctionRow;

/// Functions shown in the table.
const TOP: usize = 15;

/// What grew most comes first.
pub(super) fn rows(reference: Option<&Side>, judged: &Side) -> Vec<FunctionRow> {
    let Some(service) = judged.entry() else { return Vec::new() };
    let of = |side: &Side| {
        side.entry()
            .map(|s| blame::functions(s, side.client.throughput(), is_request_work))
            .unwrap_or_default()
    };
    let (now, before) = (of(judged), reference.map(of));
    let most = now.values().map(|f| f.cum).fold(0.0, f64::max);
    let shown = |(name, f): &(&String, &Function)| !is_wrapper(name, (f.flat, f.cum), most);
    let mut rows: Vec<_> =
        now.iter().filter(shown).map(|(name, f)| (name, f, before.as_ref().map(|b| b.get(name)))).collect();
    let growth = |f: &Function, was: &Option<Option<&Function>>| f.cum - was.flatten().map_or(0.0, |w| w.cum);
    rows.sort_by(|a, b| growth(b.1, &b.2).total_cmp(&growth(a.1, &a.2)).then_with(|| a.0.cmp(b.0)));
    let whole = |x: f64| x.round() as i64;
    rows.into_iter()
        .take(TOP)
        .map(|(name, f, was)| FunctionRow {
            function: name.clone(),
            service: service.name.clone(),
            flat_reference: was.map(|w| whole(w.map_or(0.0, |w| w.flat))),
            flat: whole(f.flat),
            cum_reference: was.map(|w| whole(w.map_or(0.0, |w| w.cum))),
            cum: whole(f.cum),
        })
        .collect()
}

/// Whether a function only passes the work on: of a library, without time of its own, and nearly all work is below it.
fn is_wrapper(name: &str, (flat, cum): (f64, f64), whole: f64) -> bool {
    const NEARLY_ALL: f64 = 0.9;
    const HARDLY_ANY: f64 = 0.01;
    let passes_on = flat <= HARDLY_ANY * cum && cum >= NEARLY_ALL * whole;
    passes_on && !names::is_application(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_passes_the_work_on_is_no_row() {
        let all = (0.0, 100.0);
        for wrapper in ["clone3", "net/http.(*conn).serve", "std::thread::start", "call_once<(), a::b>"] {
            assert!(is_wrapper(wrapper, all, 100.0), "{wrapper}");
        }
        assert!(!is_wrapper("shop.(*Store).Page", all, 100.0), "the application's own");
        assert!(!is_wrapper("encoding/json.Unmarshal", (0.0, 60.0), 100.0), "called by it");
        assert!(!is_wrapper("runtime.memmove", (95.0, 95.0), 100.0), "time of its own");
    }
}
