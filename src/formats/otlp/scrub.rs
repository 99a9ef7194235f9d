//! A way through every text of a request, for whoever keeps secrets out of files.

use super::batch::{Batch, Request};
use super::wire_common::{AnyValue, KeyValue, Resource, Scope};

/// Key under which bodies of log records, and messages of failed spans, are shown.
pub const BODY: &str = "body";

/// Changes a text; told the key it stands under. Bytes come as an empty text: what is made of it, if anything,
/// takes their place.
pub(super) type Scrub<'a> = &'a mut dyn FnMut(&str, &mut String);

impl Batch {
    /// Shows every text that came as a value, with its key: attributes, bodies of log records, messages of
    /// failed spans, at any depth (values of a map under their own keys).
    pub fn scrub(&mut self, mut change: impl FnMut(&str, &mut String)) {
        let change = &mut change;
        match &mut self.0 {
            Request::Traces(request) => {
                for process in &mut request.resource_spans {
                    resource(&mut process.resource, change);
                    for library in &mut process.scope_spans {
                        scope(&mut library.scope, change);
                        library.spans.iter_mut().for_each(|s| s.scrub(change));
                    }
                }
            }
            Request::Logs(request) => {
                for process in &mut request.resource_logs {
                    resource(&mut process.resource, change);
                    for library in &mut process.scope_logs {
                        scope(&mut library.scope, change);
                        for record in &mut library.log_records {
                            pairs(&mut record.attributes, change);
                            record.body.iter_mut().for_each(|body| value(BODY, body, change));
                        }
                    }
                }
            }
            Request::Metrics(request) => {
                for process in &mut request.resource_metrics {
                    resource(&mut process.resource, change);
                    for library in &mut process.scope_metrics {
                        scope(&mut library.scope, change);
                        library.metrics.iter_mut().for_each(|m| m.scrub(change));
                    }
                }
            }
        }
    }
}

impl super::wire_trace::Span {
    fn scrub(&mut self, change: Scrub<'_>) {
        pairs(&mut self.attributes, change);
        self.events.iter_mut().for_each(|e| pairs(&mut e.attributes, change));
        self.links.iter_mut().for_each(|l| pairs(&mut l.attributes, change));
        self.status.iter_mut().for_each(|s| change(BODY, &mut s.message));
    }
}

impl super::wire_metrics::Metric {
    fn scrub(&mut self, change: Scrub<'_>) {
        pairs(&mut self.metadata, change);
        let gauges = self.gauge.iter_mut().flat_map(|g| &mut g.data_points);
        let sums = self.sum.iter_mut().flat_map(|s| &mut s.data_points);
        for point in gauges.chain(sums) {
            pairs(&mut point.attributes, change);
            point.exemplars.iter_mut().for_each(|e| pairs(&mut e.filtered_attributes, change));
        }
        for point in self.histogram.iter_mut().flat_map(|h| &mut h.data_points) {
            pairs(&mut point.attributes, change);
            point.exemplars.iter_mut().for_each(|e| pairs(&mut e.filtered_attributes, change));
        }
        for point in self.exponential_histogram.iter_mut().flat_map(|h| &mut h.data_points) {
            pairs(&mut point.attributes, change);
            point.exemplars.iter_mut().for_each(|e| pairs(&mut e.filtered_attributes, change));
        }
        let summaries = self.summary.iter_mut().flat_map(|s| &mut s.data_points);
        summaries.for_each(|point| pairs(&mut point.attributes, change));
    }
}

fn resource(resource: &mut Option<Resource>, change: Scrub<'_>) {
    resource.iter_mut().for_each(|r| pairs(&mut r.attributes, change));
}

fn scope(scope: &mut Option<Scope>, change: Scrub<'_>) {
    scope.iter_mut().for_each(|s| pairs(&mut s.attributes, change));
}

fn pairs(pairs: &mut [KeyValue], change: Scrub<'_>) {
    for pair in pairs {
        if let Some(inner) = &mut pair.value {
            value(&pair.key, inner, change);
        }
    }
}

/// Depth is bounded by both decoders.
fn value(key: &str, value: &mut AnyValue, change: Scrub<'_>) {
    if let Some(text) = &mut value.string_value {
        change(key, text);
    }
    if value.bytes_value.is_some() {
        let mut text = String::new();
        change(key, &mut text);
        if !text.is_empty() {
            *value = AnyValue { string_value: Some(text), ..AnyValue::default() };
        }
    }
    for inner in value.array_value.iter_mut().flat_map(|list| &mut list.values) {
        self::value(key, inner, change);
    }
    pairs(value.kvlist_value.as_mut().map_or(&mut [], |map| &mut map.values), change);
}
