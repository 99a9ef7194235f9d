//! `EXPLAIN (FORMAT JSON)`: the tree of a plan, and what stands out in it.
//!
//! Works on plans that were only made (estimates) and on those that were executed (`ANALYZE`, `auto_explain`);
//! what needs actual figures is found only where there are some.

mod change;
mod findings;

use serde_json::Value;

pub use change::Change;
pub use findings::{Finding, findings};

/// Largest plan in bytes.
const MAX_BYTES: usize = 8 << 20;
/// Most nodes of a plan.
const MAX_NODES: usize = 10_000;
/// Deepest nesting; serde_json itself stops at 128 levels of JSON, two for each node.
const MAX_DEPTH: usize = 64;

/// Why bytes are no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No JSON.
    #[error("no JSON: {0}")]
    Json(String),
    /// JSON of another shape.
    #[error("no answer to EXPLAIN (FORMAT JSON): it has no `Plan` with a `Node Type`")]
    Shape,
    /// Larger than any plan for people.
    #[error("larger than {MAX_BYTES} bytes, {MAX_NODES} nodes or {MAX_DEPTH} levels")]
    TooLarge,
}

/// A node of a plan. Rows and times are per execution of the node, as PostgreSQL gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// `Seq Scan`, `Hash Join`, ..
    pub kind: String,
    /// Table that is read or changed.
    pub table: Option<String>,
    /// Its schema, if the plan names it.
    pub schema: Option<String>,
    /// Index that rows are found or ordered by.
    pub index: Option<String>,
    /// Condition that rows are looked up by in the index; an index without one is read from end to end.
    pub index_condition: Option<String>,
    /// Condition that each row is held against after it was read.
    pub filter: Option<String>,
    /// Rows that the planner expects.
    pub plan_rows: f64,
    /// Cost up to the last row, in the planner's unit.
    pub total_cost: f64,
    /// What happened, if the plan was executed.
    pub actual: Option<Actual>,
    /// Nodes that feed it.
    pub children: Vec<Self>,
}

/// What happened in a node that was executed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actual {
    /// Rows per execution.
    pub rows: f64,
    /// Executions, those of parallel workers included.
    pub loops: f64,
    /// Milliseconds per execution, up to its last row; 0 if it was not timed.
    pub ms: f64,
    /// Rows per execution that the filter threw away.
    pub removed: f64,
    /// Kilobytes that a sort wrote to disk.
    pub sort_disk_kb: f64,
    /// Parts that a hash was split into because it did not fit into memory; 1 if it did.
    pub hash_batches: f64,
    /// Temporary blocks written, children included.
    pub temp_written: f64,
}

impl Node {
    /// This node and all below, from the top.
    pub fn walk(&self) -> impl Iterator<Item = &Self> {
        let mut open = vec![self];
        std::iter::from_fn(move || {
            let node = open.pop()?;
            open.extend(node.children.iter().rev());
            Some(node)
        })
    }

    /// `schema.table`, as far as known; the kind for nodes without a table.
    #[must_use]
    pub fn place(&self) -> String {
        match (&self.schema, &self.table) {
            (Some(schema), Some(table)) if schema != "public" => format!("{schema}.{table}"),
            (_, Some(table)) => table.clone(),
            _ => self.kind.clone(),
        }
    }
}

/// Decodes an answer to `EXPLAIN (FORMAT JSON)`.
///
/// # Errors
/// If it is none, or too large.
pub fn decode(bytes: &[u8]) -> Result<Node, PlanError> {
    if bytes.len() > MAX_BYTES {
        return Err(PlanError::TooLarge);
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|e| PlanError::Json(e.to_string()))?;
    from_json(&value)
}

/// The same from parsed JSON: an array with one plan, one plan, or a bare node (as in `auto_explain`).
///
/// # Errors
/// As [`decode`].
pub fn from_json(value: &Value) -> Result<Node, PlanError> {
    let outer = value.get(0).unwrap_or(value);
    let top = outer.get("Plan").unwrap_or(outer);
    node(top, &mut MAX_NODES.clone(), MAX_DEPTH)
}

fn node(value: &Value, room: &mut usize, depth: usize) -> Result<Node, PlanError> {
    let Some(kind) = text(value, "Node Type") else { return Err(PlanError::Shape) };
    if *room == 0 || depth == 0 {
        return Err(PlanError::TooLarge);
    }
    *room -= 1;
    let below = value.get("Plans").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let children = below.iter().map(|child| node(child, room, depth - 1)).collect::<Result<_, _>>()?;
    Ok(Node {
        kind,
        table: text(value, "Relation Name"),
        schema: text(value, "Schema"),
        index: text(value, "Index Name"),
        index_condition: text(value, "Index Cond"),
        filter: text(value, "Filter"),
        plan_rows: number(value, "Plan Rows").unwrap_or(0.0),
        total_cost: number(value, "Total Cost").unwrap_or(0.0),
        actual: actual(value),
        children,
    })
}

fn actual(value: &Value) -> Option<Actual> {
    let loops = number(value, "Actual Loops")?;
    let or_zero = |key| number(value, key).unwrap_or(0.0);
    let on_disk = text(value, "Sort Space Type").is_some_and(|t| t == "Disk");
    Some(Actual {
        rows: or_zero("Actual Rows"),
        loops,
        ms: or_zero("Actual Total Time"),
        removed: or_zero("Rows Removed by Filter"),
        sort_disk_kb: if on_disk { or_zero("Sort Space Used") } else { 0.0 },
        hash_batches: number(value, "Hash Batches").or(number(value, "HashAgg Batches")).unwrap_or(1.0),
        temp_written: or_zero("Temp Written Blocks"),
    })
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

fn number(value: &Value, key: &str) -> Option<f64> {
    value.get(key)?.as_f64().filter(|v| v.is_finite())
}

/// Takes literals out of every expression of a plan, and the lists of output columns, which say nothing and
/// are long. Names of tables and kinds stay.
pub fn mask(plan: &mut Value) {
    const NAMES: [&str; 10] = [
        "Node Type",
        "Relation Name",
        "Schema",
        "Alias",
        "Index Name",
        "CTE Name",
        "Subplan Name",
        "Function Name",
        "Parent Relationship",
        "Join Type",
    ];
    match plan {
        Value::String(text) => *text = super::statement::normalise(text),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(map) => {
            map.remove("Output");
            map.iter_mut().filter(|(key, _)| !NAMES.contains(&key.as_str())).for_each(|(_, v)| mask(v));
        }
        _ => {}
    }
}
