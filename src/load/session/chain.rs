//! What the exchanges of one hit come to together: it may follow redirects, and send a request again.

use super::Session;
use crate::load::connections::Connections;
use crate::load::hit::Problem;
use crate::load::http1::conn::Progress;
use crate::load::plan::Plan;
use crate::time::RunTime;

impl<C: Connections> Session<C> {
    /// Makes sure of a connection for another exchange of the hit. What that takes is no part of any exchange.
    pub(super) async fn again(&mut self, plan: &Plan) -> Result<(), Problem> {
        let now = plan.clock.now();
        let mut over = std::mem::take(&mut self.hit.progress);
        // A request may be answered before it was written whole. Whatever follows comes after it.
        over.written.get_or_insert(now);
        self.earlier = Some(self.earlier.map_or(over, |earlier| joined(earlier, over)));
        self.since = Some(now);
        match self.connections.ready(plan, &mut self.hit.open).await {
            Ok(false) => {
                self.since = None;
                Ok(())
            }
            waited => {
                self.resume(plan.clock.now());
                waited.map(|_| ())
            }
        }
    }

    /// The wait between two exchanges, if there is one, is over.
    pub(super) fn resume(&mut self, now: RunTime) {
        if let Some(since) = self.since.take() {
            self.hit.between = self.hit.between.saturating_add(now.since(since));
        }
    }

    /// Makes one of all exchanges of the hit.
    pub(super) fn join(&mut self) {
        if let Some(earlier) = self.earlier.take() {
            self.hit.progress = joined(earlier, self.hit.progress);
        }
    }
}

/// Sent with the first request, answered by the last.
fn joined(first: Progress, last: Progress) -> Progress {
    Progress {
        written: first.written,
        bytes_in: first.bytes_in + last.bytes_in,
        bytes_out: first.bytes_out + last.bytes_out,
        ..last
    }
}
