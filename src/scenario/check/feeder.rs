//! `[[feeder]]`: files of records.

use std::path::Path;

use super::super::env::EnvPolicy;
use super::super::scalar::{Checked, Placed, Span};
use super::super::text::is_variable;
use super::super::{AtEnd, Feeder, FeederFormat, Order, records, wire};
use super::Check;
use super::variables::Columns;

/// Most feeders of a scenario.
const MAX_FEEDERS: usize = 100;

impl Check<'_, '_> {
    /// The feeders, and the columns of each that has a name: of one that is wrong, any column will do, so
    /// that nothing follows from the mistake.
    pub(super) fn feeders(&mut self, wire: Option<Vec<Placed<wire::Feeder>>>) -> (Vec<Feeder>, Vec<Columns>) {
        let wire = wire.unwrap_or_default();
        if let Some(beyond) = wire.get(MAX_FEEDERS) {
            self.findings.place(&beyond.span(), format_args!("more than {MAX_FEEDERS} feeders: merge some"));
        }
        let (mut feeders, mut known) = (Vec::new(), Vec::<Columns>::new());
        for (wire, span) in wire.into_iter().map(Placed::into_parts) {
            self.require(wire.name.is_some(), &span, "name", "name = \"user\"");
            self.require(wire.file.is_some(), &span, "file", "file = \"users.csv\"");
            let order = self.order(wire.order);
            let at_end = self.at_end(wire.at_end, order);
            let found = self.feeder_file(wire.file, wire.format);
            let Some((name, at)) = self.feeder_name(wire.name) else { continue };
            if known.iter().any(|k| k.feeder == name) {
                self.findings.value(&at, "is the name of another feeder: give each its own");
                continue;
            }
            let columns = found.as_ref().and_then(|(_, _, columns)| columns.clone());
            known.push(Columns { feeder: name.clone(), columns });
            if let Some((path, format, _)) = found {
                feeders.push(Feeder { name, path, format, order, at_end });
            }
        }
        (feeders, known)
    }

    fn feeder_name(&mut self, name: Option<Checked<String>>) -> Option<(String, Span)> {
        let (name, span) = self.findings.take(name)?;
        if is_variable(&name) && !name.contains('.') {
            return Some((name, span));
        }
        self.findings.value(
            &span,
            "is no name of a feeder: use lower case letters, digits, dashes and underscores, a letter first",
        );
        None
    }

    fn order(&mut self, order: Option<Checked<String>>) -> Order {
        let known = [("sequential", Order::Sequential), ("random", Order::Random), ("unique", Order::Unique)];
        self.one_of(order, &known).unwrap_or(Order::Sequential)
    }

    fn at_end(&mut self, wire: Option<Checked<String>>, order: Order) -> AtEnd {
        let span = wire.as_ref().map(|at_end| at_end.span.clone());
        let known = [("repeat", AtEnd::Repeat), ("fail", AtEnd::Fail), ("stop", AtEnd::Stop)];
        let chosen = self.one_of(wire, &known);
        match (order, span) {
            (Order::Random, Some(span)) => {
                self.findings.value(&span, "random records never come to an end: remove it");
                AtEnd::Repeat
            }
            (Order::Unique, _) => chosen.unwrap_or(AtEnd::Fail),
            (Order::Sequential | Order::Random, _) => chosen.unwrap_or(AtEnd::Repeat),
        }
    }

    /// The file, its format, and its columns unless a finished run is analysed.
    fn feeder_file(
        &mut self,
        file: Option<Checked<String>>,
        format: Option<Checked<String>>,
    ) -> Option<(std::path::PathBuf, FeederFormat, Option<Vec<String>>)> {
        let said = format.is_some();
        let known = [("csv", FeederFormat::Csv), ("jsonl", FeederFormat::JsonLines)];
        let format = self.one_of(format, &known);
        let (path, span) = self.file(file)?;
        let format = match format.or_else(|| format_of(&path)) {
            Some(format) => format,
            None if said => return None,
            // The name is not known any more, and nobody reads the file.
            None if self.around.policy == EnvPolicy::Keep => FeederFormat::Csv,
            None => {
                self.findings.value(
                    &span,
                    "ends neither in .csv nor in .jsonl: write format = \"csv\" or \"jsonl\" below it",
                );
                return None;
            }
        };
        if self.around.policy == EnvPolicy::Keep {
            return Some((path, format, None));
        }
        match records::columns(&path, format) {
            Ok(columns) => Some((path, format, Some(columns))),
            Err(problem) => {
                self.findings.value(&span, problem);
                None
            }
        }
    }
}

fn format_of(path: &Path) -> Option<FeederFormat> {
    match path.extension()?.to_str()?.to_lowercase().as_str() {
        "csv" => Some(FeederFormat::Csv),
        "jsonl" => Some(FeederFormat::JsonLines),
        _ => None,
    }
}
