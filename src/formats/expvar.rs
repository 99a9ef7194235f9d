//! The page of Go's package `expvar`: one JSON object whose numbers become metrics, named by their paths.
//!
//! `{"memstats": {"NumGC": 3}}` gives `memstats.NumGC`. Arrays, texts and truth values are no metrics (`BySize` and
//! `PauseNs` of `memstats` are rings and tables, not readings). The page says nothing of types: those of `memstats`
//! are known, everything else may count or measure and is [`Kind::Unknown`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::openmetrics::{Exposition, Family, Kind, OpenMetricsError, Problem, Sample};

/// Largest page accepted.
pub const MAX_BYTES: usize = 16 << 20;
/// Most numbers kept; further ones are counted as skipped.
pub const MAX_NUMBERS: usize = 10_000;
/// Deepest object whose numbers are kept, the page itself being the first.
pub const MAX_DEPTH: usize = 8;
/// Longest path of a number, in bytes.
pub const MAX_PATH: usize = 512;

/// Fields of `runtime.MemStats` that only grow.
const COUNTERS: [&str; 7] =
    ["TotalAlloc", "Lookups", "Mallocs", "Frees", "PauseTotalNs", "NumGC", "NumForcedGC"];
/// Its fields that are bytes now.
const BYTES: [&str; 18] = [
    "Alloc",
    "Sys",
    "HeapAlloc",
    "HeapSys",
    "HeapIdle",
    "HeapInuse",
    "HeapReleased",
    "StackInuse",
    "StackSys",
    "MSpanInuse",
    "MSpanSys",
    "MCacheInuse",
    "MCacheSys",
    "BuckHashSys",
    "GCSys",
    "OtherSys",
    "NextGC",
    "TotalAlloc",
];

/// Reads a page. Of one that breaks off or is no JSON further on (Go writes `NaN` as it is), what came before
/// stays: the break is counted in [`Exposition::skipped`].
///
/// # Errors
/// Only if it is larger than [`MAX_BYTES`].
pub fn parse(bytes: &[u8]) -> Result<Exposition<'static>, OpenMetricsError> {
    if bytes.len() > MAX_BYTES {
        return Err(OpenMetricsError::TooLarge(bytes.len()));
    }
    let mut page = Exposition::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut level = Level { path: &mut String::new(), depth: 0, page: &mut page };
    match level.reborrow().deserialize(&mut json).and_then(|()| json.end()) {
        Ok(()) => page.eof = true,
        Err(e) => skip(&mut page, e.line(), "not JSON from here on"),
    }
    Ok(page)
}

fn skip(page: &mut Exposition<'static>, line: usize, what: &'static str) {
    page.skipped += 1;
    page.first_problem.get_or_insert(Problem { line, what });
}

/// A value at a path.
struct Level<'p> {
    path: &'p mut String,
    depth: usize,
    page: &'p mut Exposition<'static>,
}

impl Level<'_> {
    fn reborrow(&mut self) -> Level<'_> {
        Level { path: self.path, depth: self.depth, page: self.page }
    }

    fn number(&mut self, value: f64) {
        // A number alone is no page.
        if self.path.is_empty() {
            return skip(self.page, 0, "a number without a name");
        }
        if self.page.families.len() >= MAX_NUMBERS {
            return skip(self.page, 0, "too many numbers");
        }
        let (kind, unit) = nature(self.path);
        let name: Cow<'static, str> = Cow::Owned(self.path.clone());
        let sample =
            Sample { name: name.clone(), labels: Vec::new(), value, timestamp: None, exemplar: None };
        self.page.families.push(Family {
            name,
            kind,
            unit: unit.into(),
            help: Cow::Borrowed(""),
            samples: vec![sample],
        });
    }
}

/// What is known of a number by its path: its type and its unit, empty if unknown.
#[must_use]
pub fn nature(path: &str) -> (Kind, &'static str) {
    let Some(field) = path.strip_prefix("memstats.") else { return (Kind::Unknown, "") };
    let kind = if COUNTERS.contains(&field) { Kind::Counter } else { Kind::Gauge };
    let unit = match field {
        "PauseTotalNs" | "LastGC" => "nanoseconds",
        "GCCPUFraction" => "ratio",
        field if BYTES.contains(&field) => "bytes",
        _ => "",
    };
    (kind, unit)
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_u64<E: Error>(mut self, v: u64) -> Result<(), E> {
        self.number(v as f64);
        Ok(())
    }

    fn visit_i64<E: Error>(mut self, v: i64) -> Result<(), E> {
        self.number(v as f64);
        Ok(())
    }

    fn visit_f64<E: Error>(mut self, v: f64) -> Result<(), E> {
        self.number(v);
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
        let above = self.path.len();
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            let longer = above + usize::from(above > 0) + key.len();
            if self.depth == MAX_DEPTH || longer > MAX_PATH || key.is_empty() {
                skip(self.page, 0, "too deep, or a name too long or empty");
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if above > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            self.depth += 1;
            map.next_value_seed(self.reborrow())?;
            self.depth -= 1;
            self.path.truncate(above);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<'p>(page: &'p Exposition<'_>) -> Vec<(&'p str, Kind, f64)> {
        page.samples().map(|(f, s)| (&*s.name, f.kind, s.value)).collect()
    }

    #[test]
    fn numbers_are_named_by_their_paths_and_memstats_are_typed() {
        let text = br#"{
"cmdline": ["/srv/shop","-password=x"],
"requests": 17,
"pool": {"idle": 3, "by.host": {"a b": -2.5}, "name": "db", "on": true, "none": null},
"memstats": {"HeapAlloc":4096,"Mallocs":12,"NumGC":3,"PauseNs":[1,2],"GCCPUFraction":0.25,"BySize":[{"Size":8}]}
}
"#;
        let page = parse(text).expect("small");
        assert!(page.eof && page.skipped == 0);
        let expected = [
            ("requests", Kind::Unknown, 17.0),
            ("pool.idle", Kind::Unknown, 3.0),
            ("pool.by.host.a b", Kind::Unknown, -2.5),
            ("memstats.HeapAlloc", Kind::Gauge, 4096.0),
            ("memstats.Mallocs", Kind::Counter, 12.0),
            ("memstats.NumGC", Kind::Counter, 3.0),
            ("memstats.GCCPUFraction", Kind::Gauge, 0.25),
        ];
        assert_eq!(values(&page), expected);
        assert_eq!(page.family("memstats.HeapAlloc").map(|f| &*f.unit), Some("bytes"));
    }

    #[test]
    fn what_comes_before_a_break_stays() {
        let page = parse(b"{\n\"a\": 1,\n\"b\": NaN,\n\"c\": 2\n}\n").expect("small");
        assert_eq!(values(&page), [("a", Kind::Unknown, 1.0)]);
        let problem = page.first_problem.expect("told");
        assert_eq!(
            (problem.line, problem.what, page.skipped, page.eof),
            (3, "not JSON from here on", 1, false)
        );
        for text in ["", "17", "[1]", "<html>", "{\"a\":1} x"] {
            let page = parse(text.as_bytes()).expect("small");
            assert!(page.skipped > 0 || page.families.is_empty(), "{text}");
        }
    }

    #[test]
    fn depth_length_and_number_are_bounded() {
        let deep = format!("{}1{}", "{\"k\":".repeat(9), "}".repeat(9));
        let page = parse(deep.as_bytes()).expect("small");
        assert_eq!((page.families.len(), page.skipped), (0, 1));
        let long = format!("{{\"{}\":1,\"\":2,\"x\":3}}", "k".repeat(MAX_PATH + 1));
        let page = parse(long.as_bytes()).expect("small");
        assert_eq!((page.families.len(), page.skipped), (1, 2));
        let wide: Vec<String> = (0..MAX_NUMBERS + 5).map(|i| format!("\"n{i}\":{i}")).collect();
        let page = parse(format!("{{{}}}", wide.join(",")).as_bytes()).expect("small");
        assert_eq!((page.families.len(), page.skipped), (MAX_NUMBERS, 5));
        assert_eq!(parse(&vec![b' '; MAX_BYTES + 1]), Err(OpenMetricsError::TooLarge(MAX_BYTES + 1)));
    }
}
