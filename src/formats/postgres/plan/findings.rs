//! What stands out in a plan.

use super::{Actual, Node};
use crate::formats::postgres::lines::TableSize;
use crate::formats::postgres::statement::compared;

/// Smaller tables are read whole, with or without an index.
const LARGE_TABLE: f64 = 10_000.0;
/// An index helps only if few rows pass the filter.
const SELECTIVE: f64 = 0.1;
/// Estimates that are off by less change no plan.
const OFF: f64 = 10.0;
/// Rows below which an estimate does not matter, however wrong.
const FEW: f64 = 1_000.0;
/// Executions of the inner side of a nested loop that are many.
const MANY_LOOPS: f64 = 10_000.0;

/// Something that stands out. Rows are of all executions of the node.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A large table is read whole for the few rows that pass a filter: an index is missing, or not usable.
    MissingIndex {
        /// Table.
        table: String,
        /// Columns of the filter that an index can serve: those compared by `=` first, as in an index.
        columns: Vec<String>,
        /// The filter, literals masked.
        filter: String,
        /// Index in whose order the table is read; none if it is read as it lies.
        along: Option<String>,
        /// Rows of the table that are read; at most so many if the plan stops at a limit.
        read: f64,
        /// Rows that pass.
        kept: f64,
    },
    /// A sort did not fit into `work_mem` and went to disk.
    SortSpill {
        /// Kilobytes on disk.
        kilobytes: f64,
    },
    /// A hash did not fit into `work_mem` and was split.
    HashSpill {
        /// Parts.
        batches: f64,
    },
    /// The planner expects far more or fewer rows than there are.
    Misestimate {
        /// Node or table.
        at: String,
        /// Rows expected per execution.
        expected: f64,
        /// Rows found per execution.
        found: f64,
    },
    /// The inner side of a nested loop is executed once for each of many rows.
    WideLoop {
        /// What is executed again and again.
        inner: String,
        /// How often.
        loops: f64,
    },
}

impl Finding {
    /// One sentence for people.
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::MissingIndex { table, columns, along: None, read, kept, .. } => format!(
                "{table} is read whole ({read:.0} rows) for about {kept:.0} of them: no index on ({}) is used",
                columns.join(", ")
            ),
            Self::MissingIndex { table, columns, along: Some(index), read, kept, .. } => format!(
                "{table} is read in the order of {index} (up to {read:.0} rows) for about {kept:.0} of them: no index \
                 on ({}) is used",
                columns.join(", ")
            ),
            Self::SortSpill { kilobytes } => format!("a sort spills {kilobytes:.0} kB to disk"),
            Self::HashSpill { batches } => format!("a hash is split into {batches:.0} parts on disk"),
            Self::Misestimate { at, expected, found } => {
                format!("{at} is expected to give {expected:.0} rows and gives {found:.0}")
            }
            Self::WideLoop { inner, loops } => {
                format!("{inner} is executed {loops:.0} times in a nested loop")
            }
        }
    }

    /// What to try.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::MissingIndex { table, columns, .. } => {
                format!("CREATE INDEX CONCURRENTLY ON {table} ({})", columns.join(", "))
            }
            Self::SortSpill { .. } | Self::HashSpill { .. } => {
                "raise work_mem for this statement, or let it handle fewer rows".to_owned()
            }
            Self::Misestimate { at, .. } => format!("ANALYZE, or extended statistics on the columns of {at}"),
            Self::WideLoop { .. } => {
                "see whether an estimate is off, and whether a hash join may be used".into()
            }
        }
    }
}

/// Everything that stands out, from the top of the plan. `sizes` tells how large tables are; a table that is
/// not there counts as large only if the plan was executed and read many rows.
#[must_use]
pub fn findings(plan: &Node, sizes: &[TableSize]) -> Vec<Finding> {
    plan.walk().flat_map(|node| of_node(node, sizes)).collect()
}

fn of_node(node: &Node, sizes: &[TableSize]) -> Vec<Finding> {
    let executed = node.actual.as_ref().filter(|a| a.loops > 0.0);
    let spills = executed.into_iter().flat_map(spills);
    missing_index(node, sizes)
        .into_iter()
        .chain(spills)
        .chain(executed.and_then(|a| misestimate(node, a)))
        .chain(wide_loop(node))
        .collect()
}

fn missing_index(node: &Node, sizes: &[TableSize]) -> Option<Finding> {
    let from_end_to_end = match node.kind.as_str() {
        "Seq Scan" => true,
        "Index Scan" | "Index Only Scan" => node.index_condition.is_none(),
        _ => false,
    };
    let filter = node.filter.as_ref().filter(|_| from_end_to_end)?;
    let table = node.table.as_ref()?;
    let is_it =
        |s: &&TableSize| s.table == *table && node.schema.as_ref().is_none_or(|schema| *schema == s.schema);
    let size = sizes.iter().find(is_it).map(|s| s.rows).filter(|rows| *rows > 0.0);
    let (read, kept) = match (&node.actual, size) {
        (Some(a), _) if a.loops > 0.0 => ((a.rows + a.removed) * a.loops, a.rows * a.loops),
        (_, Some(rows)) => (rows, node.plan_rows),
        _ => return None,
    };
    let columns = index_columns(filter);
    if read < LARGE_TABLE || kept > read * SELECTIVE || columns.is_empty() {
        return None;
    }
    let (table, along) = (node.place(), node.index.clone());
    Some(Finding::MissingIndex { table, columns, filter: filter.clone(), along, read, kept })
}

/// What an index would be made of: columns held equal, then one or more that are held within bounds. What is
/// only excluded (`<>`) is of no use in an index.
fn index_columns(filter: &str) -> Vec<String> {
    let mut compared = compared(filter);
    compared.retain(|c| !c.operator.starts_with('!') && c.operator != "<>");
    compared.sort_by_key(|c| c.operator != "=");
    compared.into_iter().map(|c| c.column).collect()
}

fn spills(actual: &Actual) -> Option<Finding> {
    if actual.sort_disk_kb > 0.0 {
        return Some(Finding::SortSpill { kilobytes: actual.sort_disk_kb });
    }
    (actual.hash_batches > 1.0).then_some(Finding::HashSpill { batches: actual.hash_batches })
}

fn misestimate(node: &Node, actual: &Actual) -> Option<Finding> {
    let (low, high) = (actual.rows.min(node.plan_rows).max(1.0), actual.rows.max(node.plan_rows));
    (high >= FEW && high / low >= OFF).then(|| Finding::Misestimate {
        at: node.place(),
        expected: node.plan_rows,
        found: actual.rows,
    })
}

fn wide_loop(node: &Node) -> Option<Finding> {
    let [outer, inner] = node.children.as_slice() else { return None };
    if node.kind != "Nested Loop" {
        return None;
    }
    let loops = match &inner.actual {
        Some(actual) => actual.loops,
        // What is kept in memory between two executions costs little to read again.
        None if matches!(inner.kind.as_str(), "Materialize" | "Memoize") => return None,
        None => outer.plan_rows,
    };
    (loops >= MANY_LOOPS).then(|| Finding::WideLoop { inner: inner.place(), loops })
}

#[cfg(test)]
mod tests {
    use super::super::{decode, from_json, mask};
    use super::*;

    fn sizes() -> Vec<TableSize> {
        vec![TableSize { schema: "public".into(), table: "orders".into(), rows: 200_000.0, pages: 1000 }]
    }

    #[test]
    fn a_selective_filter_on_a_large_table_asks_for_an_index() {
        let plan = br#"[{"Plan": {"Node Type": "Gather", "Plan Rows": 12, "Plans": [{"Node Type": "Seq Scan",
            "Relation Name": "orders", "Schema": "public", "Alias": "o", "Plan Rows": 12, "Output": ["o.id"],
            "Filter": "((o.id <> 4) AND (o.total > 3) AND (o.customer = 7) AND ((o.note)::text = 'x'::text))"}]}}]"#;
        let mut value = serde_json::from_slice(plan).expect("JSON");
        mask(&mut value);
        let found = findings(&from_json(&value).expect("a plan"), &sizes());
        let [Finding::MissingIndex { table, columns, filter, along: None, read, kept }] = found.as_slice()
        else {
            panic!("{found:?}")
        };
        assert_eq!((table.as_str(), columns.join(" ")), ("orders", "customer note total".into()));
        assert_eq!(
            filter,
            "((o.id <> ?) AND (o.total > ?) AND (o.customer = ?) AND ((o.note)::text = ?::text))"
        );
        assert_eq!((*read, *kept), (200_000.0, 12.0));
        assert_eq!(found[0].remedy(), "CREATE INDEX CONCURRENTLY ON orders (customer, note, total)");
        assert!(findings(&decode(plan).expect("a plan"), &[]).is_empty(), "the size is not known");
    }

    #[test]
    fn an_index_that_only_gives_the_order_does_not_find_the_rows() {
        let plan = |condition: &str| {
            format!(
                r#"[{{"Plan": {{"Node Type": "Limit", "Plan Rows": 4, "Plans": [{{"Node Type": "Index Scan",
                "Index Name": "orders_pkey", "Relation Name": "orders", "Schema": "public", {condition}
                "Plan Rows": 40, "Filter": "(orders.customer = $1)"}}]}}}}]"#
            )
        };
        let found = |condition| findings(&decode(plan(condition).as_bytes()).expect("a plan"), &sizes());
        let [finding] = found("").try_into().expect("one finding");
        let says = "orders is read in the order of orders_pkey (up to 200000 rows) for about 40 of them: no index on \
                    (customer) is used";
        assert_eq!((finding.says().as_str(), finding.remedy().contains("(customer)")), (says, true));
        assert_eq!(found(r#""Index Cond": "(orders.id > $2)","#), []);
    }

    #[test]
    fn actual_rows_show_spills_misestimates_and_loops() {
        let plan = br#"[{"Plan": {"Node Type": "Sort", "Plan Rows": 5, "Actual Rows": 50000, "Actual Loops": 1,
            "Sort Method": "external merge", "Sort Space Type": "Disk", "Sort Space Used": 4100, "Plans": [
            {"Node Type": "Nested Loop", "Plan Rows": 50000, "Actual Rows": 50000, "Actual Loops": 1, "Plans": [
            {"Node Type": "Hash", "Plan Rows": 20000, "Hash Batches": 4, "Actual Rows": 20000, "Actual Loops": 1},
            {"Node Type": "Index Scan", "Relation Name": "lines", "Plan Rows": 2, "Actual Rows": 2.5,
             "Actual Loops": 20000}]}]}}]"#;
        let found = findings(&decode(plan).expect("a plan"), &[]);
        assert_eq!(
            found,
            [
                Finding::SortSpill { kilobytes: 4100.0 },
                Finding::Misestimate { at: "Sort".into(), expected: 5.0, found: 50_000.0 },
                Finding::WideLoop { inner: "lines".into(), loops: 20_000.0 },
                Finding::HashSpill { batches: 4.0 },
            ]
        );
        assert!(found.iter().all(|f| !f.says().is_empty() && !f.remedy().is_empty()));
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        for bytes in [&b"[]"[..], b"{\"Plan\": 1}", b"nonsense", b"[{\"Plan\": {\"Node Type\": 1}}]"] {
            assert!(decode(bytes).is_err());
        }
    }
}
