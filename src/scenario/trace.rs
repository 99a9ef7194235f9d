//! Headers that tie a request to its trace.

/// What is sent besides `traceparent`, which every request has. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceHeaders {
    /// `x-trace-id`: the trace id alone, 32 hex digits.
    pub x_trace_id: bool,
    /// `baggage`: the run's id and the scenario's name.
    pub baggage: bool,
}

impl TraceHeaders {
    /// Names of the headers, as a scenario writes them.
    pub const KNOWN: [&str; 2] = ["x-trace-id", "baggage"];

    /// Adds the header of that name; whether it was not there yet.
    pub(super) fn add(&mut self, name: &str) -> bool {
        let sent = if name == "baggage" { &mut self.baggage } else { &mut self.x_trace_id };
        !std::mem::replace(sent, true)
    }

    /// Whether a header of that name, in whatever case, is sent.
    #[must_use]
    pub const fn sends(self, name: &str) -> bool {
        (self.x_trace_id && name.eq_ignore_ascii_case("x-trace-id"))
            || (self.baggage && name.eq_ignore_ascii_case("baggage"))
    }
}
