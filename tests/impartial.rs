//! The rules know no name that a test service uses: what passes the gallery must pass on a service that nobody here has seen.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// Where rules are.
const RULES: [&str; 6] =
    ["src/detect", "src/attribute", "src/analyze", "src/gate", "src/spans", "src/formats/postgres"];
/// Where the services are that faults are switched on in.
const SERVICES: [&str; 2] = ["tests/targets/shop", "tests/targets/desk"];
/// Names of theirs that are packages of Go's own library, types of client libraries, or the field's words, too.
const COMMON: [&str; 10] =
    ["client", "debug", "image", "item", "main", "metrics", "name", "pool", "route", "server"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(below: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).expect("a folder").map(|e| e.expect("an entry").path()) {
        match entry.is_dir() {
            true if !entry.ends_with("target") => found.extend(files(&entry, extension)),
            _ if entry.extension().is_some_and(|e| e == extension) => found.push(entry),
            _ => {}
        }
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty())
}

/// Packages, types, paths of requests and tables.
fn names() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for file in
        SERVICES.iter().flat_map(|s| [files(&root().join(s), "go"), files(&root().join(s), "rs")].concat())
    {
        let text = fs::read_to_string(&file).expect("readable");
        for line in text.lines() {
            let line = line.trim_start();
            let after = |start: &str| line.split(start).nth(1).and_then(|rest| words(rest).next());
            let declared = ["package ", "type ", "struct "].iter().filter(|s| line.starts_with(**s));
            all.extend(declared.filter_map(|s| after(s)).map(str::to_owned));
            // Handlers, and tables of the database.
            all.extend(
                ["(\"GET /", "(\"/", "CREATE TABLE "].iter().filter_map(|s| after(s)).map(str::to_owned),
            );
        }
    }
    all.retain(|name| name.len() > 3 && !COMMON.contains(&name.to_lowercase().as_str()));
    all
}

/// Texts of a source file outside its unit tests.
#[derive(Default)]
struct Texts(Vec<String>);

impl Texts {
    /// Texts in what is given to a macro, e.g. the patterns of `matches!`.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Group(group) => self.tokens(group.stream()),
                proc_macro2::TokenTree::Literal(literal) => {
                    let text = syn::parse_str::<syn::LitStr>(&literal.to_string());
                    self.0.extend(text.ok().map(|text| text.value()));
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Texts {
    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.0.push(text.value());
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.tokens(called.tokens.clone());
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = |a: &syn::Attribute| {
            a.path().is_ident("cfg") && a.parse_args::<syn::Path>().is_ok_and(|p| p.is_ident("test"))
        };
        if !item.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, item);
        }
    }
}

/// Whether a text may be compared with a name: sentences for people have blanks.
fn is_matched(text: &str) -> bool {
    !text.is_empty() && !text.contains(' ')
}

#[test]
fn no_rule_knows_a_name_of_a_test_service() {
    let names = names();
    for known in ["catalogue", "Ledger", "purchase", "recommend", "stamp"] {
        assert!(names.contains(known), "{known} is not among the names: {names:?}");
    }
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let of_tests = |p: &Path| p.iter().any(|part| part == "tests" || part == "tests.rs");
    for file in RULES.iter().flat_map(|r| files(&root().join(r), "rs")) {
        if of_tests(file.strip_prefix(root()).expect("below the root")) {
            continue;
        }
        let mut texts = Texts::default();
        texts.visit_file(&syn::parse_file(&fs::read_to_string(&file).expect("readable")).expect("Rust"));
        for text in texts.0.iter().filter(|t| is_matched(t)) {
            seen += 1;
            if let Some(name) = words(text).find(|w| names.contains(*w)) {
                wrong.push(format!("{}: {text:?} has {name:?}", file.display()));
            }
        }
    }
    assert!(seen > 200, "{seen} texts of rules were looked at");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
