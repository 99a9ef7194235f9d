//! The map of the crate: who may import whom, no cycles, small files, short functions.
//!
//! When this test fights a change, change the table here and in `docs/design.md` on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// Module, and what it may import.
const MAP: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("stats", &[]),
    ("scenario", &["time"]),
    ("formats", &["time"]),
    ("analysis", &["time"]),
    ("spans", &["time", "stats", "formats"]),
    ("run", &["time", "scenario", "formats"]),
    ("load", &["time", "scenario", "run"]),
    ("collect", &["time", "scenario", "run", "formats"]),
    ("detect", &["time", "stats", "scenario", "run", "analysis"]),
    ("attribute", &["time", "stats", "run", "formats", "detect", "analysis"]),
    ("gate", &["time", "stats", "scenario", "run", "analysis"]),
    ("record", &["time", "scenario", "run", "load", "collect", "detect"]),
    ("analyze", &["time", "scenario", "run", "formats", "spans", "detect", "attribute", "gate", "analysis"]),
    ("capacity", &["time", "stats", "scenario", "run", "record", "gate", "analyze", "analysis"]),
    ("confirm", &["time", "scenario", "run", "record", "gate", "analyze", "analysis"]),
    ("report", &["time", "run", "analysis"]),
    ("demo", &["formats"]),
];

const MAX_FILE: usize = 600;
const MEDIAN_FILE: usize = 200;
const MAX_FUNCTION: usize = 100;
const MEDIAN_FUNCTION: usize = 12;

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).expect("src is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Top-level module of a source file.
fn module(path: &Path) -> String {
    let rel = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("below src");
    let first = rel.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[derive(Default)]
struct Imports(BTreeSet<String>);

impl Imports {
    fn tree(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(p) => {
                self.0.insert(p.ident.to_string());
            }
            syn::UseTree::Name(n) => {
                self.0.insert(n.ident.to_string());
            }
            syn::UseTree::Rename(r) => {
                self.0.insert(r.ident.to_string());
            }
            syn::UseTree::Group(g) => g.items.iter().for_each(|t| self.tree(t)),
            syn::UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if let syn::UseTree::Path(p) = &item.tree
            && (p.ident == "crate" || p.ident == "loadprof")
        {
            self.tree(&p.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter();
        if segments.next().is_some_and(|s| s.ident == "crate") {
            self.0.extend(segments.next().map(|s| s.ident.to_string()));
        }
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // Unit tests may build what they test from anywhere.
        let is_test = item.attrs.iter().any(|a| {
            a.path().is_ident("cfg") && a.parse_args::<syn::Path>().is_ok_and(|p| p.is_ident("test"))
        });
        if !is_test {
            visit::visit_item_mod(self, item);
        }
    }
}

#[test]
fn modules_import_what_the_map_allows() {
    let map: BTreeMap<_, _> = MAP.iter().map(|(m, i)| (*m, *i)).collect();
    let mut wrong = Vec::new();
    for path in sources() {
        let from = module(&path);
        if ["main", "lib", "cli"].contains(&from.as_str()) {
            continue;
        }
        let Some(allowed) = map.get(from.as_str()) else {
            wrong.push(format!("{}: module {from} is not on the map", path.display()));
            continue;
        };
        let mut imports = Imports::default();
        imports.visit_file(&parse(&path));
        for to in imports.0.iter().filter(|to| map.contains_key(to.as_str())) {
            if *to != from && !allowed.contains(&to.as_str()) {
                wrong.push(format!("{}: {from} may not import {to}", path.display()));
            }
        }
        if imports.0.contains("cli") {
            wrong.push(format!("{}: {from} may not import cli", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_map_has_no_cycle_and_names_only_modules() {
    // Each module imports only modules that stand above it: an order, hence no cycle.
    let mut above = BTreeSet::new();
    for (module, imports) in MAP {
        for import in *imports {
            assert!(above.contains(import), "{module} imports {import}, which does not stand above it");
        }
        above.insert(*module);
    }
}

#[test]
fn files_are_small() {
    let mut sizes: Vec<(usize, PathBuf)> = sources()
        .into_iter()
        .map(|p| (fs::read_to_string(&p).expect("readable").lines().count(), p))
        .collect();
    sizes.sort();
    let (largest, path) = sizes.last().expect("there is source");
    assert!(*largest <= MAX_FILE, "{} has {largest} lines, {MAX_FILE} are allowed", path.display());
    let median = sizes[sizes.len() / 2].0;
    assert!(median <= MEDIAN_FILE, "the median file has {median} lines, {MEDIAN_FILE} are allowed");
}

struct Functions {
    path: PathBuf,
    lengths: Vec<(usize, String)>,
}

impl Functions {
    fn add(&mut self, ident: &syn::Ident, block: &syn::Block) {
        let span = block.brace_token.span;
        let lines = span.close().start().line - span.open().start().line + 1;
        self.lengths.push((lines, format!("{}: {ident}", self.path.display())));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, f: &'ast syn::ItemFn) {
        self.add(&f.sig.ident, &f.block);
        visit::visit_item_fn(self, f);
    }

    fn visit_impl_item_fn(&mut self, f: &'ast syn::ImplItemFn) {
        self.add(&f.sig.ident, &f.block);
        visit::visit_impl_item_fn(self, f);
    }
}

#[test]
fn functions_are_short() {
    let mut lengths = Vec::new();
    for path in sources() {
        let mut functions = Functions { path: path.clone(), lengths: Vec::new() };
        functions.visit_file(&parse(&path));
        lengths.extend(functions.lengths);
    }
    lengths.sort();
    let (longest, name) = lengths.last().expect("there are functions");
    assert!(*longest <= MAX_FUNCTION, "{name} has {longest} lines, {MAX_FUNCTION} are allowed");
    let median = lengths[lengths.len() / 2].0;
    assert!(
        median <= MEDIAN_FUNCTION,
        "the median function has {median} lines, {MEDIAN_FUNCTION} are allowed"
    );
}

fn parse(path: &Path) -> syn::File {
    syn::parse_file(&fs::read_to_string(path).expect("readable")).expect("Rust")
}
