//! Readings as an OpenMetrics exposition.

use crate::collect::health::HealthSample;
use crate::formats::openmetrics::{Family, Kind, Labels, encode};

/// Samples of one name stand together. A name that ends in `_total` is a counter's, any other a gauge's.
pub(super) fn page(samples: &[HealthSample]) -> String {
    let mut families: Vec<Family<'_>> = Vec::new();
    for sample in samples {
        let (name, kind) = match sample.name.strip_suffix("_total") {
            Some(name) => (name, Kind::Counter),
            None => (sample.name, Kind::Gauge),
        };
        let labels: Labels<'_> = sample.labels.iter().map(|(k, v)| ((*k).into(), v.into())).collect();
        let at = families.iter().position(|f| f.name == name).unwrap_or_else(|| {
            families.push(Family::new(name, kind, ""));
            families.len() - 1
        });
        families[at].push(labels, sample.value);
    }
    encode(&families)
}
