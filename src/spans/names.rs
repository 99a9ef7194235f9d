//! Names of services and spans, each kept once.

use std::collections::HashMap;
use std::sync::Arc;

/// Most different names; a service that puts ids into the names of its spans has more than anyone can read.
const MOST: usize = 20_000;
/// Stands for names beyond that.
const OTHERS: &str = "(other names)";

/// A name, by its place in the table of its [`super::Gathered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

#[derive(Clone, Debug)]
pub(super) struct Names {
    known: HashMap<Arc<str>, Name>,
    texts: Vec<Arc<str>>,
}

impl Default for Names {
    fn default() -> Self {
        Self { known: HashMap::new(), texts: vec![OTHERS.into()] }
    }
}

impl Names {
    pub(super) fn name(&mut self, text: &str) -> Name {
        if let Some(name) = self.known.get(text) {
            return *name;
        }
        if self.texts.len() > MOST {
            return Name(0);
        }
        // At most `MOST`, so it fits.
        let name = Name(self.texts.len() as u32);
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.known.insert(text, name);
        name
    }

    pub(super) fn text(&self, name: Name) -> &Arc<str> {
        &self.texts[name.0 as usize]
    }
}
