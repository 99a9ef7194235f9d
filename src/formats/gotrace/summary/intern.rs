//! Texts and stacks that outlive their generation.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::{Frame, Generation, MAX_FRAMES, StackIndex, TextIndex};
use super::{Name, Stack};

/// Most different texts, frames and stacks, and most frames of all stacks together. What would be another
/// one is [`MORE`].
const MAX_TEXTS: usize = 1 << 20;
const MAX_FRAMES_KEPT: usize = 1 << 20;
const MAX_STACKS: usize = 1 << 19;
const MAX_STACK_FRAMES: usize = 1 << 24;
/// Stands for texts and functions beyond the limits.
const MORE: &str = "(more)";
/// In the memory of a generation: not looked up yet.
const UNKNOWN: u32 = u32::MAX;

/// Function, file and line.
type KeptFrame = (Name, Name, u32);

#[derive(Debug)]
struct KeptStack {
    frames: Arc<[u32]>,
    root: Name,
    observer: bool,
}

/// Texts and stacks by number, and the numbers that the current generation's have.
#[derive(Debug)]
pub(super) struct Interner {
    texts: Vec<Arc<str>>,
    text_ids: HashMap<Arc<str>, u32>,
    frames: Vec<KeptFrame>,
    frame_ids: HashMap<KeptFrame, u32>,
    stacks: Vec<KeptStack>,
    stack_ids: HashMap<Arc<[u32]>, u32>,
    stack_frames: usize,
    generation_texts: Vec<u32>,
    generation_stacks: Vec<u32>,
}

impl Default for Interner {
    fn default() -> Self {
        let mut interner = Self {
            texts: Vec::new(),
            text_ids: HashMap::new(),
            frames: Vec::new(),
            frame_ids: HashMap::new(),
            stacks: Vec::new(),
            stack_ids: HashMap::new(),
            stack_frames: 0,
            generation_texts: Vec::new(),
            generation_stacks: Vec::new(),
        };
        let (none, more) = (interner.keep_text(""), interner.keep_text(MORE));
        interner.keep_frame((more, none, 0));
        interner.keep_stack(&[]);
        interner.keep_stack(&[0]);
        interner
    }
}

impl Interner {
    /// Forgets the numbers of the generation before.
    pub(super) fn begin(&mut self, generation: &Generation<'_>) {
        self.generation_texts.clear();
        self.generation_texts.resize(generation.texts(), UNKNOWN);
        self.generation_stacks.clear();
        self.generation_stacks.resize(generation.stacks(), UNKNOWN);
    }

    /// Lets go of what only reading needs.
    pub(super) fn finish(&mut self) {
        (self.text_ids, self.frame_ids, self.stack_ids) = Default::default();
        (self.generation_texts, self.generation_stacks) = Default::default();
    }

    pub(super) fn text(&self, name: Name) -> &str {
        self.texts.get(name.0 as usize).map_or("", |t| t)
    }

    pub(super) fn frames(&self, stack: Stack) -> impl DoubleEndedIterator<Item = Frame<'_>> {
        let frames = self.stacks.get(stack.0 as usize).map_or(&[][..], |s| &s.frames);
        frames.iter().map(|&i| {
            let (function, file, line) = self.frames[i as usize];
            Frame { function: self.text(function), file: self.text(file), line: u64::from(line) }
        })
    }

    /// Outermost function of a stack; none for an empty one and one that may lack its outermost calls.
    pub(super) fn root(&self, stack: Stack) -> Option<Name> {
        self.stacks
            .get(stack.0 as usize)
            .filter(|s| !s.frames.is_empty() && s.frames.len() < MAX_FRAMES)
            .map(|s| s.root)
    }

    /// Whether a stack is in code that looks at the program.
    pub(super) fn is_observer(&self, stack: Stack) -> bool {
        self.stacks.get(stack.0 as usize).is_some_and(|s| s.observer)
    }

    pub(super) fn name(&mut self, generation: &Generation<'_>, text: TextIndex) -> Name {
        let Some(index) = text.index() else { return Name::default() };
        match self.generation_texts.get(index) {
            Some(&known) if known != UNKNOWN => Name(known),
            _ => {
                let name = self.keep_text(generation.text(text));
                if let Some(slot) = self.generation_texts.get_mut(index) {
                    *slot = name.0;
                }
                name
            }
        }
    }

    pub(super) fn stack(&mut self, generation: &Generation<'_>, stack: Option<StackIndex>) -> Stack {
        let Some(stack) = stack else { return Stack::default() };
        match self.generation_stacks.get(stack.index()) {
            Some(&known) if known != UNKNOWN => Stack(known),
            _ => {
                let kept = self.keep_frames(generation, stack);
                if let Some(slot) = self.generation_stacks.get_mut(stack.index()) {
                    *slot = kept.0;
                }
                kept
            }
        }
    }

    fn keep_frames(&mut self, generation: &Generation<'_>, stack: StackIndex) -> Stack {
        let mut frames = Vec::with_capacity(16);
        for frame in generation.frames(stack) {
            let function = self.keep_text(frame.function);
            let file = self.keep_text(frame.file);
            frames.push(self.keep_frame((function, file, u32::try_from(frame.line).unwrap_or(u32::MAX))));
        }
        self.keep_stack(&frames)
    }

    /// A handler of `net/http/pprof`, or a goroutine that a profiler or the tracer started. Calls of
    /// `runtime/trace` further in are the program's own, e.g. its regions.
    fn looks_at_the_program(&self, frames: &[u32]) -> bool {
        let name = |&frame: &u32| self.text(self.frames[frame as usize].0);
        let started = frames.last().map_or("", name);
        started.starts_with("runtime/trace.")
            || started.starts_with("runtime/pprof.")
            || frames.iter().map(name).any(|n| n.starts_with("net/http/pprof."))
    }

    fn keep_text(&mut self, text: &str) -> Name {
        if let Some(&id) = self.text_ids.get(text) {
            return Name(id);
        }
        if self.texts.len() >= MAX_TEXTS {
            return Name(1);
        }
        let (id, text) = (self.texts.len() as u32, Arc::<str>::from(text));
        self.texts.push(Arc::clone(&text));
        self.text_ids.insert(text, id);
        Name(id)
    }

    fn keep_frame(&mut self, frame: KeptFrame) -> u32 {
        if let Some(&id) = self.frame_ids.get(&frame) {
            return id;
        }
        if self.frames.len() >= MAX_FRAMES_KEPT {
            return 0;
        }
        let id = self.frames.len() as u32;
        self.frames.push(frame);
        self.frame_ids.insert(frame, id);
        id
    }

    fn keep_stack(&mut self, frames: &[u32]) -> Stack {
        if let Some(&id) = self.stack_ids.get(frames) {
            return Stack(id);
        }
        self.stack_frames += frames.len();
        if self.stacks.len() >= MAX_STACKS || self.stack_frames > MAX_STACK_FRAMES {
            return Stack(1);
        }
        let (id, kept) = (self.stacks.len() as u32, Arc::<[u32]>::from(frames));
        let function = |&frame: &u32| self.frames[frame as usize].0;
        let stack = KeptStack {
            root: frames.last().map_or_else(Name::default, function),
            observer: self.looks_at_the_program(frames),
            frames: Arc::clone(&kept),
        };
        self.stacks.push(stack);
        self.stack_ids.insert(kept, id);
        Stack(id)
    }
}
