//! Clocks of different machines, set right by what must be: a call begins after it was asked for, and ends
//! before its answer arrives.
//!
//! The rule is Jaeger's (`clockskew` adjuster): a call outside its caller is moved to the caller's middle, as if
//! the way there took as long as the way back; one that is longer than its caller (given up, or not waited for)
//! only to the caller's start. One that ends a little late is left alone ([`path::ends_in_time`]). Everything that the same machine did for that call moves along.

use super::names::Name;
use super::path;
use super::trace::Placed;
use crate::formats::otlp::SpanKind;

/// A call that was moved, with all that its machine did for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Service whose clock differs from its caller's.
    pub service: Name,
    /// Nanoseconds that were added to its times.
    pub by: i64,
}

/// Moves spans to the root's clock. Callers stand before callees.
pub(super) fn set_right(spans: &mut [Placed]) -> Vec<Shift> {
    let mut shifts = Vec::new();
    for index in 1..spans.len() {
        let Some(parent) = spans[index].parent else { continue };
        let by = if spans[index].clock == spans[parent].clock {
            spans[parent].moved
        } else {
            let by = correction(&spans[parent], &spans[index]);
            if by != 0 {
                shifts.push(Shift { service: spans[index].service, by });
            }
            by
        };
        let span = &mut spans[index];
        span.moved = by;
        span.start = span.start.saturating_add_signed(by);
        span.end = span.end.saturating_add_signed(by);
    }
    shifts
}

fn correction(parent: &Placed, child: &Placed) -> i64 {
    let (outer, inner) = (parent.end - parent.start, child.end - child.start);
    let to_start = difference(parent.start, child.start);
    // Nobody waits for the receiver of a message: it may begin and end at any later time.
    if inner > outer || child.kind == SpanKind::Consumer {
        return to_start.max(0);
    }
    // A server often closes its span a little after the answer arrived: no matter of clocks.
    if parent.start <= child.start && path::ends_in_time(parent, child) {
        return 0;
    }
    difference(parent.start + (outer - inner) / 2, child.start)
}

/// `to - from`, as far as it fits.
fn difference(to: u64, from: u64) -> i64 {
    let wide = i128::from(to) - i128::from(from);
    i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX })
}
