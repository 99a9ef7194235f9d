//! The contention profile: which stacks held locks that others waited for, and how long those waited.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::formats::pprof::{Frame, Profile, ProfileBuilder};

use super::symbols;

/// Frames kept of a stack.
const MAX_DEPTH: usize = 64;
/// Different stacks kept; more are counted without their stack.
const MAX_STACKS: usize = 2000;

/// Contention since the start, by the holder's stack.
#[derive(Debug, Default)]
pub(super) struct Contention(Mutex<HashMap<Vec<usize>, Bill>>);

#[derive(Clone, Copy, Debug, Default)]
struct Bill {
    contentions: i64,
    delay: Duration,
}

impl Contention {
    /// Bills waiting to the stack of the caller, who has just released a lock. Only addresses are taken:
    /// names are looked up when somebody asks for the profile.
    pub(super) fn record(&self, delay: Duration) {
        let mut stack = Vec::with_capacity(MAX_DEPTH);
        backtrace::trace(|frame| {
            stack.push(frame.ip() as usize);
            stack.len() < MAX_DEPTH
        });
        let mut bills = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bills.len() >= MAX_STACKS && !bills.contains_key(&stack) {
            stack.clear();
        }
        let bill = bills.entry(stack).or_default();
        bill.contentions += 1;
        bill.delay += delay;
    }

    /// The profile since the start, with Go's sample types.
    pub(super) fn profile(&self) -> Profile {
        let bills: Vec<_> = {
            let bills = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            bills.iter().map(|(stack, bill)| (stack.clone(), *bill)).collect()
        };
        let mut builder = ProfileBuilder::new(&[("contentions", "count"), ("delay", "nanoseconds")], 1);
        for (stack, bill) in bills {
            let delay = i64::try_from(bill.delay.as_nanos()).unwrap_or(i64::MAX);
            builder.add(holder(symbols::stack(&stack)), &[bill.contentions, delay]);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        builder.finish(i64::try_from(now.as_nanos()).unwrap_or(0), 0)
    }
}

/// Cuts off the leaf side that belongs to unlocking: the leaf is whoever held the lock.
fn holder(frames: Vec<Frame>) -> Vec<Frame> {
    let unlocking = |f: &Frame| {
        f.file.ends_with("demo/lock.rs") && f.function.contains("drop")
            || f.file.ends_with("demo/contention.rs")
            || f.file.contains("/backtrace-")
            || f.function.contains("drop_in_place")
            || f.function.contains("drop_glue")
    };
    let skip = frames.iter().take_while(|f| unlocking(f)).count();
    frames.into_iter().skip(skip).collect()
}
