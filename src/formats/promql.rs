//! Answers of Prometheus' HTTP API to queries: vectors, matrices and scalars in JSON, or the error.
//!
//! A value of a native histogram becomes two series, its count and its sum, told apart by [`Series::part`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Largest answer accepted.
pub const MAX_BYTES: usize = 16 << 20;
/// Most series kept of one answer; later ones are counted in [`Answer::left_out`].
pub const MAX_SERIES: usize = 1_000;
/// Most points of one answer.
pub const MAX_POINTS: usize = 1_000_000;
/// Most warnings kept.
const MAX_NOTES: usize = 10;

/// Why an answer gives no series.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PromqlError {
    /// Larger than [`MAX_BYTES`].
    #[error("the answer has {0} bytes, more than {MAX_BYTES}: write a query of fewer series")]
    TooLarge(usize),
    /// No answer of this API.
    #[error("no answer of Prometheus' query API ({0}): correct the address")]
    Foreign(String),
    /// The server's own words.
    #[error("{kind}: {message}")]
    Refused {
        /// `errorType`: `bad_data`, `execution`, `timeout`, `canceled`, `internal`, `unavailable`, ..
        kind: String,
        /// `error`.
        message: String,
    },
}

impl PromqlError {
    /// Whether asking again is pointless: the query itself is wrong.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Refused { kind, .. } if kind == "bad_data")
    }
}

/// What a query gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Series in the order of the answer.
    pub series: Vec<Series>,
    /// The server's doubts about what it answered: `warnings` and `infos`.
    pub notes: Vec<String>,
    /// Series and points beyond the limits, and values that are no numbers.
    pub left_out: usize,
}

/// Values of one set of labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Labels by name, `__name__` among them where the query keeps it.
    pub labels: BTreeMap<String, String>,
    /// Empty, or `_count` or `_sum` of a native histogram.
    pub part: &'static str,
    /// Moments in seconds since 1970 on the server's clock, and values, in order of time.
    pub points: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<Data>,
    #[serde(rename = "errorType", default)]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(default)]
    infos: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Matrix(Vec<Row>),
    Vector(Vec<Row>),
    Scalar((f64, String)),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    histogram: Option<(f64, Native)>,
    #[serde(default)]
    histograms: Vec<(f64, Native)>,
}

/// A native histogram; its buckets are passed over.
#[derive(Deserialize)]
struct Native {
    count: String,
    sum: String,
}

/// Reads an answer to `query` or `query_range`.
///
/// # Errors
/// If it is too large, no answer of this API, or an error that the server tells.
pub fn parse(bytes: &[u8]) -> Result<Answer, PromqlError> {
    if bytes.len() > MAX_BYTES {
        return Err(PromqlError::TooLarge(bytes.len()));
    }
    let envelope: Envelope =
        serde_json::from_slice(bytes).map_err(|e| PromqlError::Foreign(e.to_string()))?;
    if envelope.status != "success" {
        return Err(PromqlError::Refused { kind: envelope.error_type, message: envelope.error });
    }
    let notes = envelope.warnings.into_iter().chain(envelope.infos).flatten();
    let mut answer = Answer { notes: notes.take(MAX_NOTES).collect(), ..Answer::default() };
    let mut points = 0;
    match envelope.data {
        None => return Err(PromqlError::Foreign("no `data` in it".into())),
        Some(Data::Matrix(rows) | Data::Vector(rows)) => {
            rows.into_iter().for_each(|row| answer.row(row, &mut points));
        }
        Some(Data::Scalar(value)) => answer.add(BTreeMap::new(), "", [value], &mut points),
        Some(Data::String(_)) => answer.left_out += 1,
    }
    Ok(answer)
}

impl Answer {
    fn row(&mut self, row: Row, points: &mut usize) {
        let native: Vec<(f64, Native)> = row.histogram.into_iter().chain(row.histograms).collect();
        let plain = row.value.into_iter().chain(row.values);
        if !native.is_empty() {
            let (counts, sums): (Vec<_>, Vec<_>) =
                native.into_iter().map(|(t, h)| ((t, h.count), (t, h.sum))).unzip();
            self.add(row.metric.clone(), "_count", counts, points);
            self.add(row.metric.clone(), "_sum", sums, points);
        }
        self.add(row.metric, "", plain, points);
    }

    fn add(
        &mut self,
        labels: BTreeMap<String, String>,
        part: &'static str,
        values: impl IntoIterator<Item = (f64, String)>,
        points: &mut usize,
    ) {
        let mut series = Series { labels, part, points: Vec::new() };
        for (at, text) in values {
            let newer = series.points.last().is_none_or(|(last, _)| *last < at);
            match text.parse::<f64>() {
                Ok(value) if at.is_finite() && newer && *points < MAX_POINTS => {
                    series.points.push((at, value));
                    *points += 1;
                }
                _ => self.left_out += 1,
            }
        }
        if series.points.is_empty() {
            return;
        }
        if self.series.len() >= MAX_SERIES {
            self.left_out += 1;
            return;
        }
        self.series.push(series);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_a_vector_and_a_scalar_are_read() {
        let text = br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"up","job":"shop"},"values":[[1700000000.5,"1"],[1700000001.5,"NaN"]]},
            {"metric":{"job":"b"},"histograms":[[1,{"count":"7","sum":"2.5","buckets":[[0,"1","2","7"]]}]]}]},
            "warnings":["partial"],"infos":["looks like a counter"]}"#;
        let answer = parse(text).expect("an answer");
        assert_eq!(answer.notes, ["partial", "looks like a counter"]);
        assert_eq!(answer.series[0].labels["job"], "shop");
        assert_eq!(answer.series[0].points[0], (1_700_000_000.5, 1.0));
        assert!(answer.series[0].points[1].1.is_nan());
        let native: Vec<_> = answer.series[1..].iter().map(|s| (s.part, s.points[0].1)).collect();
        assert_eq!(native, [("_count", 7.0), ("_sum", 2.5)]);
        let vector = br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[3,"+Inf"]}]}}"#;
        assert_eq!(parse(vector).expect("an answer").series[0].points, [(3.0, f64::INFINITY)]);
        let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1700000000.123,"1700000000.123"]}}"#;
        assert_eq!(
            parse(scalar).expect("an answer").series[0].points,
            [(1_700_000_000.123, 1_700_000_000.123)]
        );
    }

    #[test]
    fn errors_are_the_servers_or_named() {
        let bad = br#"{"status":"error","errorType":"bad_data","error":"1:5: parse error: unexpected end"}"#;
        let error = parse(bad).expect_err("an error");
        assert!(error.is_lasting());
        assert_eq!(error.to_string(), "bad_data: 1:5: parse error: unexpected end");
        let late = br#"{"status":"error","errorType":"timeout","error":"query timed out"}"#;
        assert!(!parse(late).expect_err("an error").is_lasting());
        for foreign in [
            "",
            "<html>",
            "{}",
            r#"{"status":"success"}"#,
            r#"{"status":"success","data":{"resultType":"odd","result":1}}"#,
        ] {
            assert!(matches!(parse(foreign.as_bytes()), Err(PromqlError::Foreign(_))), "{foreign}");
        }
    }

    #[test]
    fn series_are_bounded_and_time_only_grows() {
        let rows = |n: usize| {
            (0..n)
                .map(|i| format!(r#"{{"metric":{{"i":"{i}"}},"value":[1,"1"]}}"#))
                .collect::<Vec<_>>()
                .join(",")
        };
        let many = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
            rows(MAX_SERIES + 3)
        );
        let answer = parse(many.as_bytes()).expect("an answer");
        assert_eq!((answer.series.len(), answer.left_out), (MAX_SERIES, 3));
        let back = br#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[2,"1"],[1,"2"],[3,"x"],[4,"4"]]}]}}"#;
        let answer = parse(back).expect("an answer");
        assert_eq!((answer.series[0].points.as_slice(), answer.left_out), (&[(2.0, 1.0), (4.0, 4.0)][..], 2));
    }
}
