//! How one plan of a statement differs from another.

use super::Node;

/// A table that is reached in another way than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Table, with its schema if the plan names it.
    pub table: String,
    /// How it was reached: kind of node and index.
    pub before: String,
    /// How it is reached.
    pub now: String,
    /// Index that was used and is not any more.
    pub index: Option<String>,
}

impl Change {
    /// The first table that both plans reach once, in different ways.
    #[must_use]
    pub fn between(before: &Node, now: &Node) -> Option<Self> {
        let tables =
            |plan: &Node| -> Vec<Node> { plan.walk().filter(|n| n.table.is_some()).cloned().collect() };
        let (old, new) = (tables(before), tables(now));
        // A table that is joined with itself is there more than once, in whatever order.
        let times = |all: &[Node], place: &str| all.iter().filter(|n| n.place() == place).count();
        new.iter().find_map(|now| {
            let place = now.place();
            if times(&old, &place) != 1 || times(&new, &place) != 1 {
                return None;
            }
            let was = old.iter().find(|n| n.place() == place)?;
            let same = was.kind == now.kind && index(was) == index(now);
            (!same).then(|| Self {
                table: now.place(),
                before: way(was),
                now: way(now),
                index: index(was).filter(|i| index(now) != Some(*i)).map(str::to_owned),
            })
        })
    }

    /// One sentence.
    #[must_use]
    pub fn says(&self) -> String {
        format!("its plan changed: {} was reached by {}, and is by {}", self.table, self.before, self.now)
    }

    /// What to try; `finding` is what the new plan alone suggests.
    #[must_use]
    pub fn remedy(&self, finding: Option<String>) -> String {
        let statistics = format!("ANALYZE {}, whose statistics may have changed", self.table);
        match (&self.index, finding) {
            (Some(index), Some(finding)) => {
                format!("if the index {index} is still there, {statistics}; else: {finding}")
            }
            (Some(index), None) => format!("{statistics}; see whether the index {index} is still there"),
            (None, Some(finding)) => format!("{statistics}; else: {finding}"),
            (None, None) => statistics,
        }
    }
}

/// A bitmap's index stands in the node below the table.
fn index(node: &Node) -> Option<&str> {
    node.index.as_deref().or_else(|| node.children.iter().find_map(|c| c.index.as_deref()))
}

fn way(node: &Node) -> String {
    match index(node) {
        Some(index) => format!("{} with {index}", node.kind),
        None => node.kind.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(kind: &str, index: Option<&str>) -> Node {
        let table = Node {
            kind: kind.into(),
            table: Some("purchase".into()),
            index: index.map(str::to_owned),
            ..Node::default()
        };
        Node { kind: "Limit".into(), children: vec![table], ..Node::default() }
    }

    #[test]
    fn another_way_to_a_table_is_told_with_the_index_that_is_left() {
        let (before, now) = (scan("Index Scan", Some("by_customer")), scan("Seq Scan", None));
        let change = Change::between(&before, &now).expect("a change");
        assert_eq!(
            change.says(),
            "its plan changed: purchase was reached by Index Scan with by_customer, and is by Seq Scan"
        );
        assert!(change.remedy(None).starts_with("ANALYZE purchase"));
        let both = change.remedy(Some("CREATE INDEX".into()));
        assert!(both.contains("by_customer is still there") && both.ends_with("CREATE INDEX"), "{both}");
        assert_eq!(Change::between(&before, &before), None);
    }

    #[test]
    fn a_bitmap_has_its_index_below() {
        let mut bitmap = scan("Bitmap Heap Scan", None);
        bitmap.children[0].children = vec![Node {
            kind: "Bitmap Index Scan".into(),
            index: Some("by_customer".into()),
            ..Node::default()
        }];
        let change = Change::between(&scan("Index Scan", Some("by_customer")), &bitmap).expect("a change");
        assert_eq!(change.index, None, "the same index in another way");
        assert_eq!(change.now, "Bitmap Heap Scan with by_customer");
    }
}
