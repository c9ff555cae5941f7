//! Removes the components that no version names.

use std::collections::HashSet;

use arc_swap::ArcSwap;
use hyaline_control::Digest;

use crate::catalog::Catalog;
use crate::components::Components;
use crate::error::StoreError;

/// Components that are removed before others may pin theirs.
const AT_ONCE: usize = 64;

/// What a collection of garbage removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The components.
    pub components: Vec<Digest>,
    /// How many bytes they had.
    pub bytes: u64,
}

/// Removes what neither a version of the catalog nor a pin needs.
///
/// Who deploys pins the component first and lets go after the catalog names it. So whatever is neither pinned nor named
/// by the catalog *read after the pins were locked* is needed by nobody.
pub(crate) fn collect(
    components: &Components,
    catalog: &ArcSwap<Catalog>,
) -> Result<Collected, StoreError> {
    let mut collected = Collected::default();
    let (mut generation, mut named) = named(&catalog.load());
    let mut candidates = components.list()?;
    candidates.retain(|(digest, _)| !named.contains(digest));
    for some in candidates.chunks(AT_ONCE) {
        let pinned = components.pinned();
        let now = catalog.load();
        if now.generation() != generation {
            (generation, named) = self::named(&now);
        }
        for (digest, size) in some {
            if pinned.contains(digest) || named.contains(digest) {
                continue;
            }
            if components.remove(digest)? {
                collected.components.push(*digest);
                collected.bytes += size;
            }
        }
    }
    Ok(collected)
}

fn named(catalog: &Catalog) -> (u64, HashSet<Digest>) {
    let versions = catalog.functions().flat_map(|function| function.versions());
    (
        catalog.generation(),
        versions.map(|version| *version.digest()).collect(),
    )
}
