//! What calls look things up in: functions by name, functions by route. Replaced as a whole after each change, so that a
//! call sees one state of all.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use hyaline_control::FunctionName;
use hyaline_registry::{Catalog, Committed};
use hyaline_telemetry::{RouteSeries, Telemetry};
use rpds::HashTrieMapSync;

use super::live::{Defaults, Live};
use super::loader::Loader;
use crate::data::{Route, Routes};

/// What a route leads to.
pub(crate) struct Served {
    pub(crate) live: Arc<Live>,
    route: Box<str>,
    series: OnceLock<Arc<RouteSeries>>,
}

impl Served {
    /// What records the requests of the route.
    pub(crate) fn series(&self, telemetry: &Telemetry) -> &Arc<RouteSeries> {
        self.series.get_or_init(|| telemetry.route(&self.route))
    }
}

/// All functions at one moment. A clone costs a few counters.
#[derive(Clone, Default)]
pub(crate) struct View {
    functions: HashTrieMapSync<FunctionName, Arc<Live>>,
    routes: Routes<Arc<Served>>,
}

impl View {
    pub(crate) fn function(&self, name: &FunctionName) -> Option<&Arc<Live>> {
        self.functions.get(name)
    }

    pub(crate) fn functions(&self) -> impl Iterator<Item = &Arc<Live>> {
        self.functions.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.functions.size()
    }

    pub(crate) fn routes(&self) -> &Routes<Arc<Served>> {
        &self.routes
    }

    /// A disabled function leaves a route that another one answers at to that one.
    fn insert(&mut self, live: Arc<Live>) {
        for route in &live.rules.routes {
            let holder = self.routes.same(route);
            if holder.is_some_and(|holder| holder.live.function().is_enabled())
                && !live.function().is_enabled()
            {
                continue;
            }
            let served = Served {
                live: live.clone(),
                route: route.as_str().into(),
                series: OnceLock::new(),
            };
            self.routes.insert(route.clone(), Arc::new(served));
        }
        self.functions.insert_mut(live.name().clone(), live);
    }

    fn remove(&mut self, name: &FunctionName) -> Option<Arc<Live>> {
        let live = self.functions.get(name)?.clone();
        for route in &live.rules.routes {
            self.routes
                .remove(route, |served| served.live.name() == name);
        }
        self.functions.remove_mut(name);
        Some(live)
    }
}

/// Shows the latest [`View`].
pub(crate) struct Board {
    view: ArcSwap<View>,
    defaults: Arc<Defaults>,
    loader: Weak<Loader>,
    telemetry: Telemetry,
}

impl Board {
    pub(crate) fn new(
        catalog: &Catalog,
        defaults: Arc<Defaults>,
        loader: &Arc<Loader>,
        telemetry: Telemetry,
    ) -> Self {
        let board = Board {
            view: ArcSwap::from_pointee(View::default()),
            defaults,
            loader: Arc::downgrade(loader),
            telemetry,
        };
        let names: Vec<FunctionName> = catalog
            .functions()
            .map(|function| function.name().clone())
            .collect();
        board.update(catalog, &names);
        board
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Takes over a change. Only the registry's own thread calls this, one change after the other.
    pub(crate) fn committed(&self, committed: &Committed) {
        self.update(&committed.catalog, &committed.functions);
    }

    fn update(&self, catalog: &Catalog, names: &[FunctionName]) {
        let mut view = View::clone(&self.view.load());
        for name in names {
            let before = view.remove(name);
            let Some(function) = catalog.function(name) else {
                self.gone(before.as_deref(), None);
                self.telemetry.forget(name.as_str(), None);
                continue;
            };
            match Live::new(function.clone(), &self.defaults, before.as_deref()) {
                Ok(live) => {
                    self.gone(before.as_deref(), Some(&live));
                    view.insert(Arc::new(live));
                }
                Err(error) => {
                    // Settings are compiled before they are kept, so this is of another version or configuration.
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(function = %name, %error, cause, "a function is not served: its settings cannot be used");
                    self.gone(before.as_deref(), None);
                }
            }
        }
        self.view.store(Arc::new(view));
    }

    /// Lets go of versions that are no more.
    fn gone(&self, before: Option<&Live>, after: Option<&Live>) {
        let Some(loader) = self.loader.upgrade() else {
            return;
        };
        for slot in before.into_iter().flat_map(Live::slots) {
            let kept = after
                .and_then(|after| after.slot(slot.version()))
                .is_some_and(|other| Arc::ptr_eq(other, slot));
            if !kept {
                loader.forget(slot);
            }
        }
    }

    /// The enabled function whose route takes the same paths as one of `routes`, other than `name` and those `yielding`.
    pub(crate) fn conflict(
        &self,
        name: &FunctionName,
        routes: &[Route],
        yielding: &BTreeSet<FunctionName>,
    ) -> Option<(String, FunctionName)> {
        let view = self.view.load();
        routes.iter().find_map(|route| {
            let served = view.routes().same(route)?;
            let other = served.live.name();
            let is_in_the_way =
                other != name && served.live.function().is_enabled() && !yielding.contains(other);
            is_in_the_way.then(|| (route.as_str().to_owned(), other.clone()))
        })
    }
}
