//! The screen: a few rows of text below what was printed before, redrawn each period.

use std::io;

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Position;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use super::{LiveAnomaly, LiveCollector, LiveHealth, LiveState, Output};
use crate::analysis::quantity;
use crate::report::one_line;

/// Rows of the screen; the last one stays empty for the cursor.
pub(super) const HEIGHT: u16 = 16;
const MOST_COLLECTORS: usize = 5;
const MOST_ANOMALIES: usize = 3;
/// Width of the column of names.
const NAMES: usize = 10;
const BAR: usize = 24;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A terminal with an inline screen.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Output>>,
    /// The row below the last one with text.
    below: Position,
}

impl Screen {
    /// Makes room on the terminal; fails if it does not say where its cursor is.
    pub(super) fn new(out: Output) -> io::Result<Self> {
        let options = TerminalOptions { viewport: Viewport::Inline(HEIGHT) };
        let mut terminal = Terminal::with_options(CrosstermBackend::new(out), options)?;
        let below = Position { x: 0, y: terminal.get_frame().area().y };
        Ok(Self { terminal, below })
    }

    pub(super) fn update(&mut self, state: &LiveState) -> io::Result<()> {
        self.terminal.draw(|frame| self.below = draw(frame, state))?;
        Ok(())
    }

    /// Gives back the rows that stayed empty.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.terminal.set_cursor_position(self.below)?;
        self.terminal.show_cursor()
    }
}

/// Draws a state and says where the row below it is. Rows that do not fit a small terminal are cut from below.
fn draw(frame: &mut Frame<'_>, state: &LiveState) -> Position {
    let area = frame.area();
    let mut rows = rows(state, usize::from(area.width));
    rows.truncate(usize::from(area.height.saturating_sub(1)));
    let below = area.y.saturating_add(u16::try_from(rows.len()).unwrap_or(0));
    frame.render_widget(Paragraph::new(rows), area);
    frame.set_cursor_position(Position { x: area.x, y: area.bottom().saturating_sub(1) });
    Position { x: area.x, y: below }
}

fn rows(s: &LiveState, width: usize) -> Vec<Line<'static>> {
    let mut rows = vec![head(s), rate(s), answers(s), latency(s), history(s, width), load(s)];
    rows.extend(collectors(s));
    rows.extend(anomalies(s));
    rows
}

fn row(name: &str, spans: Vec<Span<'static>>) -> Line<'static> {
    let mut all = vec![Span::styled(format!("{name:<NAMES$}"), Style::new().fg(Color::DarkGray))];
    all.extend(spans);
    Line::from(all)
}

fn strong(text: String) -> Span<'static> {
    Span::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

fn coloured(text: String, colour: Color) -> Span<'static> {
    Span::styled(text, Style::new().fg(colour))
}

fn head(s: &LiveState) -> Line<'static> {
    let share = s.elapsed.as_secs_f64() / s.planned.as_secs_f64().max(1e-9);
    let full = ((share.clamp(0.0, 1.0)) * BAR as f64).floor() as usize;
    Line::from(vec![
        strong(format!("{}  ", one_line(&s.scenario))),
        Span::raw(format!("{} of {}  ", quantity::clock(s.elapsed), quantity::clock(s.planned))),
        coloured("█".repeat(full), Color::Blue),
        coloured("░".repeat(BAR - full), Color::DarkGray),
        Span::raw(format!("  {}", one_line(&s.stage))),
    ])
}

fn rate(s: &LiveState) -> Line<'static> {
    let mut spans = Vec::new();
    if let Some(asked) = s.asked {
        spans.push(Span::raw(format!("asked {:<10}", quantity::rate(asked))));
    }
    let behind = s.asked.is_some_and(|asked| s.sent < 0.95 * asked);
    let sent = format!("sent {:<10}", quantity::rate(s.sent));
    spans.push(if behind { coloured(sent, Color::Yellow) } else { Span::raw(sent) });
    row("rate", spans)
}

fn answers(s: &LiveState) -> Line<'static> {
    let share = s.failed as f64 / (s.passed.saturating_add(s.failed)).max(1) as f64;
    let failed = format!("failed {} ({})", quantity::count(s.failed), quantity::ratio(share));
    let failed = if s.failed > 0 { coloured(failed, Color::Red) } else { Span::raw(failed) };
    let mut spans = vec![Span::raw(format!("passed {:<12}", quantity::count(s.passed))), failed];
    spans.extend(checks(s));
    row("answers", spans)
}

/// The named check that failed most often, and how many others did.
fn checks(s: &LiveState) -> Option<Span<'static>> {
    let most = s.checks.first()?;
    let text = format!("  check {} {}", one_line(&most.name), quantity::count(most.failed));
    let others = s.checks.len() - 1;
    Some(coloured(if others > 0 { format!("{text} ({others} more)") } else { text }, Color::Red))
}

fn latency(s: &LiveState) -> Line<'static> {
    let time = |nanos: Option<u64>| nanos.map_or_else(|| "-".into(), quantity::compact);
    row(
        "latency",
        vec![
            Span::raw(format!("p50 {:<9}", time(s.p50))),
            strong(format!("p95 {:<9}", time(s.p95))),
            Span::raw(format!("p99 {:<9}", time(s.p99))),
        ],
    )
}

/// The last p95 values as bars between their smallest and largest on a log scale.
fn history(s: &LiveState, width: usize) -> Line<'static> {
    let known: Vec<u64> =
        s.p95_history.iter().rev().take(width.saturating_sub(NAMES + 20)).rev().flatten().copied().collect();
    let (Some(low), Some(high)) = (known.iter().min(), known.iter().max()) else {
        return row("p95", vec![Span::raw("-")]);
    };
    let shown = s.p95_history.len().min(width.saturating_sub(NAMES + 20));
    let bars: String =
        s.p95_history[s.p95_history.len() - shown..].iter().map(|v| level(*v, *low, *high)).collect();
    let range = format!("  {} to {}", quantity::compact(*low), quantity::compact(*high));
    row("p95", vec![coloured(bars, Color::Cyan), coloured(range, Color::DarkGray)])
}

fn level(value: Option<u64>, low: u64, high: u64) -> char {
    let Some(value) = value else { return ' ' };
    let log = |v: u64| (v.max(1) as f64).ln();
    // Differences below a tenth are noise: a flat history looks flat.
    let span = (log(high) - log(low)).max(0.5);
    let share = (log(value) - log(low)) / span;
    LEVELS[((share * (LEVELS.len() - 1) as f64).round() as usize).min(LEVELS.len() - 1)]
}

fn load(s: &LiveState) -> Line<'static> {
    let mut text = format!(
        "in flight {:<7} backlog {:<7} connections {:<6}",
        quantity::count(s.in_flight),
        quantity::count(s.backlog),
        quantity::count(s.connections)
    );
    if s.asked.is_none() {
        text.push_str(&format!(" users {}", quantity::count(s.vus)));
    }
    row("load", vec![Span::raw(text)])
}

/// Troubled collectors first, so that a long list hides only what works.
fn collectors(s: &LiveState) -> Vec<Line<'static>> {
    let mut sorted: Vec<&LiveCollector> = s.collectors.iter().collect();
    sorted.sort_by_key(|c| match c.health {
        LiveHealth::Failed => 0,
        LiveHealth::Slowed => 1,
        LiveHealth::Good => 2,
    });
    let name = |i| if i == 0 { "evidence" } else { "" };
    let mut rows: Vec<Line<'static>> =
        sorted.iter().take(MOST_COLLECTORS).enumerate().map(|(i, c)| row(name(i), collector(c))).collect();
    if sorted.len() > MOST_COLLECTORS {
        let files: u64 = sorted[MOST_COLLECTORS..].iter().map(|c| c.files).sum();
        let more = sorted.len() - MOST_COLLECTORS;
        let text = format!("and {more} more, {} files", quantity::count(files));
        rows.push(row("", vec![coloured(text, Color::DarkGray)]));
    }
    rows
}

fn collector(c: &LiveCollector) -> Vec<Span<'static>> {
    let fetch = c.last_fetch.map_or_else(String::new, |n| format!(" in {}", quantity::compact(n)));
    let files = format!("{} files{fetch}", quantity::count(c.files));
    let mut spans = vec![Span::raw(format!(
        "{:<28} {:<18} ",
        format!("{} {}", one_line(&c.service), one_line(&c.name)),
        files
    ))];
    spans.push(match c.health {
        LiveHealth::Good => coloured(one_line(&c.doing), Color::DarkGray),
        LiveHealth::Slowed => coloured(format!("slowed: {}", one_line(&c.doing)), Color::Yellow),
        LiveHealth::Failed => coloured(format!("failed: {}", one_line(&c.doing)), Color::Red),
    });
    spans
}

/// The latest anomalies, newest last.
fn anomalies(s: &LiveState) -> Vec<Line<'static>> {
    if s.anomalies.is_empty() {
        return vec![row("anomalies", vec![coloured("none so far".into(), Color::DarkGray)])];
    }
    let hidden = s.anomalies.len().saturating_sub(MOST_ANOMALIES);
    let shown = s.anomalies[hidden..].iter().enumerate();
    shown
        .map(|(i, x)| {
            let more = if i == 0 && hidden > 0 { format!("  ({hidden} earlier)") } else { String::new() };
            row(if i == 0 { "anomalies" } else { "" }, vec![anomaly(x), Span::raw(more)])
        })
        .collect()
}

fn anomaly(x: &LiveAnomaly) -> Span<'static> {
    let detail = if x.detail.is_empty() { String::new() } else { format!(": {}", one_line(&x.detail)) };
    let series = one_line(&x.series);
    let since = quantity::clock(x.since);
    match x.until {
        None => Span::styled(
            format!("{series} since {since}{detail}"),
            Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        ),
        Some(until) => {
            coloured(format!("{series} {since} to {}{detail}", quantity::clock(until)), Color::DarkGray)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::cli::live::LiveCheck;
    use crate::time::{RunTime, SECOND};

    /// A run in trouble.
    pub(in crate::cli::live) fn state() -> LiveState {
        let collector = |name: &str, doing: &str, health| LiveCollector {
            service: "shop".into(),
            name: name.into(),
            doing: doing.into(),
            files: 340,
            last_fetch: Some(12_400_000),
            health,
        };
        LiveState {
            scenario: "catalog".into(),
            elapsed: RunTime::from_nanos(34 * SECOND),
            planned: RunTime::from_nanos(60 * SECOND),
            stage: "500/s for 60s".into(),
            asked: Some(500.0),
            sent: 499.0,
            passed: 16_980,
            failed: 20,
            failed_in_period: 2,
            checks: Vec::new(),
            p50: Some(9_600_000),
            p95: Some(18_200_000),
            p99: Some(27_000_000),
            backlog: 0,
            in_flight: 94,
            connections: 96,
            vus: 20,
            collectors: vec![
                collector("go-pprof/goroutine", "10 per second", LiveHealth::Good),
                collector("go-pprof/cpu", "5 s per window instead of 2 s", LiveHealth::Slowed),
                collector("prometheus", "GET /metrics: 503", LiveHealth::Failed),
            ],
            anomalies: vec![LiveAnomaly {
                series: "p95".into(),
                since: RunTime::from_nanos(30 * SECOND),
                until: None,
                detail: "18 ms to 346 ms".into(),
            }],
            p95_history: (0..34).map(|i| Some(if i < 30 { 18_000_000 } else { 340_000_000 })).collect(),
        }
    }

    fn drawn(s: &LiveState, width: u16, height: u16) -> (Vec<String>, Position) {
        let options = TerminalOptions { viewport: Viewport::Inline(HEIGHT) };
        let mut terminal =
            Terminal::with_options(TestBackend::new(width, height), options).expect("terminal");
        terminal
            .draw(|frame| {
                let below = draw(frame, s);
                assert!(below.y < frame.area().bottom().max(1), "a row stays free for the cursor");
            })
            .expect("drawn");
        let cursor = terminal.get_cursor_position().expect("cursor");
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        ((0..height).map(row).collect(), cursor)
    }

    #[test]
    fn the_screen_shows_the_run() {
        let (rows, cursor) = drawn(&state(), 100, 20);
        let want = [
            "catalog  00:34 of 01:00  █████████████░░░░░░░░░░░  500/s for 60s",
            "rate      asked 500/s     sent 499/s",
            "answers   passed 16,980      failed 20 (0.12 %)",
            "latency   p50 9.6ms    p95 18ms     p99 27ms",
            "p95       ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁████  18ms to 340ms",
            "load      in flight 94      backlog 0       connections 96",
            "evidence  shop prometheus              340 files in 12ms  failed: GET /metrics: 503",
            "          shop go-pprof/cpu            340 files in 12ms  slowed: 5 s per window instead of 2 s",
            "          shop go-pprof/goroutine      340 files in 12ms  10 per second",
            "anomalies p95 since 00:30: 18 ms to 346 ms",
        ];
        assert_eq!(rows[..want.len()], want);
        assert!(rows[want.len()..].iter().all(String::is_empty), "{rows:?}");
        assert_eq!(cursor, Position { x: 0, y: HEIGHT - 1 }, "the cursor waits below");
    }

    #[test]
    fn the_check_that_fails_most_is_named() {
        let mut s = state();
        let check = |name: &str, failed| LiveCheck { name: name.into(), failed };
        s.checks = vec![check("buy: has a\u{1b}[2J price", 1_200), check("buy: in stock", 3)];
        let (rows, _) = drawn(&s, 100, 20);
        assert_eq!(
            rows[2],
            "answers   passed 16,980      failed 20 (0.12 %)  check buy: has a\u{fffd}[2J price 1,200 (1 more)"
        );
        s.checks.pop();
        assert!(drawn(&s, 100, 20).0[2].ends_with("price 1,200"));
    }

    #[test]
    fn many_collectors_and_anomalies_fit_the_rows() {
        let mut s = state();
        s.collectors = (0..9).map(|_| s.collectors[0].clone()).collect();
        s.anomalies = (0..6).map(|_| s.anomalies[0].clone()).collect();
        assert!(rows(&s, 80).len() < usize::from(HEIGHT));
        let (rows, _) = drawn(&s, 80, 20);
        assert!(rows.iter().any(|r| r.contains("and 4 more, 1,360 files")), "{rows:?}");
        assert!(rows.iter().any(|r| r.contains("(3 earlier)")), "{rows:?}");
    }

    #[test]
    fn tiny_terminals_and_empty_states_are_drawn_without_panic() {
        for (width, height) in [(1, 1), (10, 3), (40, 2), (300, 100)] {
            drawn(&state(), width, height);
            drawn(&LiveState::default(), width, height);
        }
    }

    #[test]
    fn text_of_a_target_cannot_steer_the_terminal() {
        let mut s = state();
        s.collectors[2].doing = "\u{1b}[2J\u{7}bad\nline".into();
        let (rows, _) = drawn(&s, 100, 20);
        assert!(rows[6].ends_with("failed: \u{fffd}[2J\u{fffd}bad line"), "{}", rows[6]);
    }
}
