//! temp shim
#![allow(missing_docs)]
use crate::analysis::*; use crate::run::period::*; use crate::scenario::Scenario;
#[derive(Debug, Clone, Copy, PartialEq, Eq)] pub enum Exit { Pass, Unexpected, Usage, Invalid, Regression, OtherCause, Threshold, Interrupted }
impl Exit { pub fn code(self) -> u8 { match self { Self::Pass=>0, Self::Unexpected=>1, Self::Usage=>2, Self::Invalid=>10, Self::Regression=>11, Self::OtherCause=>12, Self::Threshold=>99, Self::Interrupted=>130 } } }
pub fn evaluate(_p: &[LoadPeriod], _s: &Scenario) -> Vec<ThresholdResult> { vec![] }
fn q(h: &Latency) -> Quantiles { Quantiles { count: h.len(), mean: h.mean() as u64, min: h.min(), p50: h.value_at_quantile(0.5), p90: h.value_at_quantile(0.9), p95: h.value_at_quantile(0.95), p99: h.value_at_quantile(0.99), p999: h.value_at_quantile(0.999), max: h.max() } }
pub fn summarize(p: &[LoadPeriod], s: &Scenario, w: u64) -> LoadSummary {
  let win = crate::time::Window::new(p[0].window.from, p[p.len()-1].window.to);
  let mut r = new_latency(); let mut sv = new_latency(); let mut passed=0; let mut failed=0;
  for x in p { for q in &x.requests { r.add(&q.response).ok(); sv.add(&q.service).ok(); passed+=q.passed; failed+=q.failed_total(); } }
  let offered: u64 = p.iter().map(|x| x.offered).sum(); let sent: u64 = p.iter().map(|x| x.sent).sum();
  LoadSummary { window: win, warm_up_nanos: w, total: RequestSummary { name: "all".into(), slug: "all".into(), done: passed+failed, passed, failed: Default::default(), rate: passed as f64/win.secs(), error_rate: failed as f64/(passed+failed).max(1) as f64, response: q(&r), service: q(&sv), phases: Default::default(), bytes_in: 0, bytes_out: 0, connects: 0 }, requests: vec![], offered_rate: offered as f64/win.secs(), sent_rate: sent as f64/win.secs(), open_model: s.load.executor.is_open() } }
pub fn exit(a: &Analysis) -> Exit { if a.expectation.as_ref().is_some_and(|e| !e.met) { Exit::OtherCause } else { Exit::Pass } }
