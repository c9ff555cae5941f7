//! Everything a registry holds, as it was after one change.

use std::sync::Arc;

use hyaline_control::FunctionName;
use rpds::RedBlackTreeMapSync;

use crate::function::Function;

/// All functions as they were after one change. Never changes; a clone costs two counters, and a catalog with one
/// function replaced shares everything else with the one before.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    generation: u64,
    functions: RedBlackTreeMapSync<FunctionName, Arc<Function>>,
}

impl Catalog {
    /// Counts changes, over restarts too: a later catalog of a directory has a greater generation. 0 before the first.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The function of this name. O(log n).
    pub fn function(&self, name: &FunctionName) -> Option<&Arc<Function>> {
        self.functions.get(name)
    }

    /// The function of this name, if it is the name of one. O(log n), without an allocation.
    pub fn function_named(&self, name: &str) -> Option<&Arc<Function>> {
        self.functions.get(name)
    }

    /// The functions, ordered by name.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.functions.values()
    }

    /// How many functions there are.
    pub fn len(&self) -> usize {
        self.functions.size()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    pub(crate) fn at(generation: u64) -> Self {
        Catalog {
            generation,
            ..Catalog::default()
        }
    }

    /// Counts one change, and says its number.
    pub(crate) fn advance(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    pub(crate) fn insert(&mut self, function: Function) {
        self.functions
            .insert_mut(function.name.clone(), Arc::new(function));
    }

    pub(crate) fn remove(&mut self, name: &FunctionName) {
        self.functions.remove_mut(name);
    }
}
