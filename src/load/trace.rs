//! The trace context that a run adds to its requests. All but the number, span id and sampled flag of a hit is the
//! same in all of them, and written once.

use crate::scenario::Scenario;

/// Bytes of the scenario's name in `baggage`, percent-encoded: services copy baggage into every call that they make.
const MAX_NAME: usize = 240;

/// What all requests of a run say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// First 16 hex digits of every trace id.
    pub(crate) run: u64,
    /// Whether the trace id is sent as `x-trace-id` too.
    pub(crate) x_trace_id: bool,
    /// Value of `baggage`; empty if none is sent.
    pub(crate) baggage: Vec<u8>,
}

impl TraceContext {
    /// What the requests of a scenario say in run `run`.
    pub(crate) fn of(scenario: &Scenario, run: u64) -> Self {
        let headers = scenario.target.trace_headers;
        let baggage = if headers.baggage { baggage(run, &scenario.name) } else { Vec::new() };
        Self { run, x_trace_id: headers.x_trace_id, baggage }
    }
}

/// W3C Baggage: the run's id and the scenario's name.
fn baggage(run: u64, scenario: &str) -> Vec<u8> {
    let mut out = format!("loadprof.run={run:016x},loadprof.scenario=").into_bytes();
    let end = out.len() + MAX_NAME;
    for c in scenario.chars() {
        let mut bytes = [0; 4];
        let text = c.encode_utf8(&mut bytes);
        let plain = c.is_ascii_alphanumeric() || "-._~".contains(c);
        if out.len() + if plain { 1 } else { 3 * text.len() } > end {
            break;
        }
        if plain {
            out.extend_from_slice(text.as_bytes());
        } else {
            text.bytes().for_each(|b| out.extend_from_slice(format!("%{b:02X}").as_bytes()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_encoded_and_never_cut_within_a_character() {
        let of = |name: &str| String::from_utf8(baggage(0xab, name)).expect("ascii");
        let start = "loadprof.run=00000000000000ab,loadprof.scenario=";
        assert_eq!(of("checkout-1.2_~"), format!("{start}checkout-1.2_~"));
        assert_eq!(of("a b,c;d=e%\"\\\r\n"), format!("{start}a%20b%2Cc%3Bd%3De%25%22%5C%0D%0A"));
        // 9 bytes each, encoded: 26 of them fit beside one plain character, and no part of a 27th.
        let long = of(&format!("x{}", "測".repeat(300)));
        assert_eq!(long, format!("{start}x{}", "%E6%B8%AC".repeat(26)));
        assert_eq!(of(&"y".repeat(9000)).len(), start.len() + MAX_NAME);
    }
}
