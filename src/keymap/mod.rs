//! Keys: parsing and printing them, reading `keymaps/*.toml`, and finding the command for a sequence.
//!
//! Mental model: a keymap is tables by **context** (`global`, `list`, `transcript`, …); each maps a sequence of keys to the
//! text of a command (`scroll.by 50%`). What is in front of the user gives its contexts, nearest first; the first table that
//! knows a sequence, or a beginning of it, decides. A **pending** sequence therefore never waits for a clock: either some
//! context goes on from it, or it is over.
//!
//! Which commands there are is not known here: whoever loads a keymap says so.

pub mod key;
mod load;

use std::collections::BTreeMap;

pub use key::{Code, Key, shown};
pub use load::{BUILT_IN, DEFAULT, Known, load, names, reload};

/// A command to run, as a keymap names it: its id, then what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// `scroll.by`.
    pub command: String,
    /// `50%`, or nothing.
    pub argument: String,
    /// The file's own words for it, where it has some.
    pub description: Option<String>,
}

/// Keys to commands, by context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keymap {
    contexts: BTreeMap<String, BTreeMap<Vec<Key>, Binding>>,
}

/// What a sequence means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// A command.
    Command(&'a Binding),
    /// The beginning of one.
    Prefix,
    /// Nothing.
    Nothing,
}

impl Keymap {
    /// Bind a sequence. A binding of its beginning, or one that it begins, in the same context would never be reached; the
    /// clashing sequence is given back.
    fn bind(&mut self, context: &str, keys: Vec<Key>, binding: Binding) -> Result<(), Vec<Key>> {
        let table = self.contexts.entry(context.into()).or_default();
        let clash = table
            .keys()
            .find(|other| **other != keys && (other.starts_with(&keys) || keys.starts_with(other)));
        if let Some(clash) = clash {
            return Err(clash.clone());
        }
        table.insert(keys, binding);
        Ok(())
    }

    fn unbind(&mut self, context: &str, keys: &[Key]) {
        if let Some(table) = self.contexts.get_mut(context) {
            // What begins with the key is gone with it: `"g" = "no_op"` frees the whole prefix.
            table.retain(|there, _| !there.starts_with(keys));
        }
    }

    /// What a sequence means where these contexts hold, nearest first.
    #[must_use]
    pub fn find(&self, contexts: &[&str], keys: &[Key]) -> Found<'_> {
        for context in contexts {
            let Some(table) = self.contexts.get(*context) else {
                continue;
            };
            if let Some(binding) = table.get(keys) {
                return Found::Command(binding);
            }
            if table.keys().any(|there| there.starts_with(keys)) {
                return Found::Prefix;
            }
        }
        Found::Nothing
    }

    /// How a sequence can go on: the next key, and the command it completes or how many it leads to.
    #[must_use]
    pub fn continuations(&self, contexts: &[&str], keys: &[Key]) -> Vec<(Key, &Binding, usize)> {
        let mut found: Vec<(Key, &Binding, usize)> = Vec::new();
        for context in contexts {
            let Some(table) = self.contexts.get(*context) else {
                continue;
            };
            for (there, binding) in table {
                let Some(next) = there.get(keys.len()) else {
                    continue;
                };
                if !there.starts_with(keys) {
                    continue;
                }
                match found.iter_mut().find(|(key, _, _)| key == next) {
                    Some((_, _, count)) => *count += 1,
                    None => found.push((*next, binding, 1)),
                }
            }
        }
        found
    }

    /// Sequences that run a command (with any argument, or exactly this one) where these contexts hold, shortest first.
    #[must_use]
    pub fn keys_for(
        &self,
        contexts: &[&str],
        command: &str,
        argument: Option<&str>,
    ) -> Vec<Vec<Key>> {
        let mut found: Vec<Vec<Key>> = Vec::new();
        for context in contexts {
            for (keys, binding) in self.contexts.get(*context).into_iter().flatten() {
                let fits = binding.command == command
                    && argument.is_none_or(|argument| argument == binding.argument);
                if !fits || found.contains(keys) {
                    continue;
                }
                // A nearer context may have taken the keys for something else. Each frame asks for dozens of commands, so this
                // is looked at for their own few bindings only.
                if matches!(self.find(contexts, keys), Found::Command(there) if there == binding) {
                    found.push(keys.clone());
                }
            }
        }
        // The shortest to press first: one key before two, a plain one before a chord.
        found.sort_by_key(|keys| (keys.len(), shown(keys).len()));
        found
    }

    /// Everything, for documents and tests: context, keys, binding.
    pub fn all(&self) -> impl Iterator<Item = (&str, &[Key], &Binding)> {
        self.contexts.iter().flat_map(|(context, table)| {
            table
                .iter()
                .map(move |(keys, binding)| (context.as_str(), keys.as_slice(), binding))
        })
    }
}
