//! The machine code of one function, linked and ready to instantiate; and the code that functions share.
//!
//! A component that can be taken apart ([`split`](crate::split)) is a shell of its own around an engine that other
//! functions have, too. The engine is compiled and mapped once per process; it goes when the last function that uses it
//! goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use wasmtime::Module;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::artefact::{Kind, Origin, Sheet};
use crate::card;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::error::{Cause, LoadError};
use crate::imports;
use crate::split::{self, ENGINE_IMPORT};
use crate::state::State;
use crate::typed_door::bindings::TypedPre;

/// The HTTP door, as its component export is named.
pub(crate) const HTTP_DOOR: &str = "wasi:http/incoming-handler";
/// The typed door, as its component export is named.
pub(crate) const TYPED_DOOR: &str = "hyaline:function/model";

/// A function's code behind its doors.
pub(crate) struct Compiled {
    pub(crate) digest: Digest,
    pub(crate) origin: Origin,
    pub(crate) sheet: Sheet,
    pub(crate) http: Option<ProxyPre<State>>,
    pub(crate) typed: Option<TypedPre<State>>,
    /// Kept for the next function that shares it.
    _shared: Option<Arc<SharedCode>>,
}

/// A core module that functions share, and what they are linked with.
pub(crate) struct SharedCode {
    digest: Digest,
    codes: Arc<SharedCodes>,
    module: Module,
    http_imports: Linker<State>,
    /// The module, and traps for all imports of the first function that had a typed door.
    typed_imports: OnceLock<Linker<State>>,
}

/// The shared code of an engine, by the digest of its core module. It is found here for as long as a function has it.
#[derive(Default)]
pub(crate) struct SharedCodes(Mutex<HashMap<Digest, Arc<Place>>>);

type Place = Mutex<Weak<SharedCode>>;

impl Compiled {
    /// The function with this digest from the engine's cache; `None` when it, or the code it shares, is not there.
    pub(crate) fn from_cache(engine: &Engine, digest: Digest) -> Option<Compiled> {
        let cache = engine.cache()?;
        let file = cache.file(kind(engine), digest);
        let (component, sheet) = cache.component(engine.wasm(), &file)?;
        let shared = match sheet.engine {
            None => None,
            Some(code) => Some(SharedCode::obtain(engine, code, None).ok()??),
        };
        let linked = Linked::new(engine, &component, shared.as_deref(), &sheet);
        match linked {
            Ok(linked) => Some(linked.into_compiled(digest, Origin::Cached, sheet, shared)),
            Err(error) => {
                tracing::warn!(file = %file.display(), error = %format!("{error:#}"), "the compiled function on disk does not link; compiling");
                None
            }
        }
    }

    /// Compiles `component`, checks it and leaves the code in the engine's cache.
    pub(crate) fn compile(
        engine: &Engine,
        name: &str,
        digest: Digest,
        component: &[u8],
    ) -> Result<Compiled, LoadError> {
        let card = card::read_card(name, component)?.map(str::to_owned);
        let compile = |error: wasmtime::Error| LoadError::Compile {
            name: name.into(),
            source: error.into(),
        };
        let link = |error: wasmtime::Error| LoadError::Link {
            name: name.into(),
            source: error.into(),
        };
        let (code, shared, shared_digest) = match apart(engine, component) {
            Some((shell, shared, digest)) => (shell, Some(shared), Some(digest)),
            None => (
                engine
                    .compile(|wasm| wasm.precompile_component(component))
                    .map_err(compile)?,
                None,
                None,
            ),
        };
        #[expect(
            unsafe_code,
            reason = "the artefact was made by this engine a moment ago and never left this process"
        )]
        let loaded = unsafe { Component::deserialize(engine.wasm(), &code) };
        let loaded = loaded.map_err(compile)?;

        let own_import = shared.as_ref().map(|_| ENGINE_IMPORT);
        let (http_door, typed_door) = doors(engine, name, &loaded, own_import)?;
        let sheet = Sheet {
            engine: shared_digest,
            card,
            http_door,
            typed_door,
            size: component.len() as u64,
        };
        let linked = Linked::new(engine, &loaded, shared.as_deref(), &sheet).map_err(link)?;

        // The file is mapped, not copied: its pages are shared and can be dropped by the system.
        if let Some(cache) = engine.cache() {
            let file = cache.file(kind(engine), digest);
            if cache.keep(&file, &code, &sheet)
                && let Some((mapped, sheet)) = cache.component(engine.wasm(), &file)
            {
                let linked =
                    Linked::new(engine, &mapped, shared.as_deref(), &sheet).map_err(link)?;
                return Ok(linked.into_compiled(digest, Origin::Compiled, sheet, shared));
            }
        }
        Ok(linked.into_compiled(digest, Origin::Compiled, sheet, shared))
    }
}

fn kind(engine: &Engine) -> Kind {
    if engine.config().share_code {
        Kind::Function
    } else {
        Kind::Whole
    }
}

/// The doors of a component that may be loaded: the HTTP door, the typed door. `own_import` is an import that this crate
/// put there.
fn doors(
    engine: &Engine,
    name: &str,
    component: &Component,
    own_import: Option<&str>,
) -> Result<(bool, bool), LoadError> {
    let component_type = component.component_type();
    let forbidden = imports::first_forbidden(&component_type, engine.wasm(), own_import);
    if let Some(import) = forbidden {
        return Err(LoadError::ForbiddenImport {
            name: name.into(),
            import,
        });
    }
    let exports: Vec<&str> = component_type
        .exports(engine.wasm())
        .map(|(export, _)| export)
        .collect();
    let has = |door: &str| {
        exports
            .iter()
            .any(|export| export.split('@').next() == Some(door))
    };
    let doors = (has(HTTP_DOOR), has(TYPED_DOOR));
    if doors == (false, false) {
        let found = if exports.is_empty() {
            "nothing".into()
        } else {
            exports.join(", ")
        };
        return Err(LoadError::NoDoor {
            name: name.into(),
            found,
        });
    }
    Ok(doors)
}

/// The machine code of a component's shell, its engine, and the digest of that. `None`: the component is to be compiled
/// whole, and what is wrong with it, if anything, will be said then.
fn apart(engine: &Engine, component: &[u8]) -> Option<(Vec<u8>, Arc<SharedCode>, Digest)> {
    if !engine.config().share_code {
        return None;
    }
    let parts = split::split(component)?;
    let digest = Digest::of(&parts.engine);
    let shell = engine.compile(|wasm| wasm.precompile_component(&parts.shell));
    let shared = SharedCode::obtain(engine, digest, Some(&parts.engine));
    match (shell, shared) {
        (Ok(shell), Ok(Some(shared))) => Some((shell, shared, digest)),
        (shell, shared) => {
            let error = shell
                .err()
                .map(Cause::from)
                .or_else(|| shared.err().map(Cause::from));
            tracing::debug!(
                ?error,
                "a component does not compile in two parts; compiling it whole"
            );
            None
        }
    }
}

impl SharedCode {
    /// The code of the core module with this digest: in use, from the engine's cache, or compiled from `module`. `None`:
    /// there is none, and no module to compile. The first of several callers compiles, and the others wait.
    fn obtain(
        engine: &Engine,
        digest: Digest,
        module: Option<&[u8]>,
    ) -> wasmtime::Result<Option<Arc<SharedCode>>> {
        let place = {
            let mut places = engine.shared_codes().lock();
            places.entry(digest).or_default().clone()
        };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = place.upgrade() {
            return Ok(Some(shared));
        }
        let wasm = engine.wasm();
        let on_disk = engine
            .cache()
            .map(|cache| (cache, cache.file(Kind::Engine, digest)));
        let found = on_disk
            .as_ref()
            .and_then(|(cache, file)| Some(cache.module(wasm, file)?.0));
        let loaded = match (found, module) {
            (Some(found), _) => found,
            (None, None) => return Ok(None),
            (None, Some(module)) => {
                let code = engine.compile(|wasm| wasm.precompile_module(module))?;
                let mapped = on_disk.as_ref().and_then(|(cache, file)| {
                    let kept = cache.keep(file, &code, &Sheet::default());
                    kept.then(|| cache.module(wasm, file)).flatten()
                });
                match mapped {
                    Some((mapped, _)) => mapped,
                    #[expect(
                        unsafe_code,
                        reason = "the artefact was made by this engine a moment ago and never left this process"
                    )]
                    None => unsafe { Module::deserialize(wasm, &code)? },
                }
            }
        };
        let mut http_imports = engine.http_imports().clone();
        http_imports.root().module(ENGINE_IMPORT, &loaded)?;
        let shared = Arc::new(SharedCode {
            digest,
            codes: engine.shared_codes().clone(),
            module: loaded,
            http_imports,
            typed_imports: OnceLock::new(),
        });
        *place = Arc::downgrade(&shared);
        Ok(Some(shared))
    }
}

impl SharedCodes {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Arc<Place>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SharedCode {
    fn drop(&mut self) {
        let mut places = self.codes.lock();
        // Whoever is about to put new code into the place holds it, too, and took hold of it under the same lock.
        let unused = places.get(&self.digest).is_some_and(|place| {
            Arc::strong_count(place) == 1
                && place
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .strong_count()
                    == 0
        });
        if unused {
            places.remove(&self.digest);
        }
    }
}

/// A component with its imports found.
struct Linked {
    http: Option<ProxyPre<State>>,
    typed: Option<TypedPre<State>>,
}

impl Linked {
    fn new(
        engine: &Engine,
        component: &Component,
        shared: Option<&SharedCode>,
        sheet: &Sheet,
    ) -> wasmtime::Result<Self> {
        let http = sheet
            .http_door
            .then(|| {
                let imports = shared.map_or(engine.http_imports(), |shared| &shared.http_imports);
                ProxyPre::new(imports.instantiate_pre(component)?)
            })
            .transpose()?;
        let typed = sheet
            .typed_door
            .then(|| typed_door(engine, component, shared))
            .transpose()?;
        Ok(Linked { http, typed })
    }

    fn into_compiled(
        self,
        digest: Digest,
        origin: Origin,
        sheet: Sheet,
        shared: Option<Arc<SharedCode>>,
    ) -> Compiled {
        Compiled {
            digest,
            origin,
            sheet,
            http: self.http,
            typed: self.typed,
            _shared: shared,
        }
    }
}

fn typed_door(
    engine: &Engine,
    component: &Component,
    shared: Option<&SharedCode>,
) -> wasmtime::Result<TypedPre<State>> {
    let traps = || -> wasmtime::Result<Linker<State>> {
        let mut imports = Linker::new(engine.wasm());
        if let Some(shared) = shared {
            imports.root().module(ENGINE_IMPORT, &shared.module)?;
        }
        imports.define_unknown_imports_as_traps(component)?;
        Ok(imports)
    };
    let Some(shared) = shared else {
        return TypedPre::new(traps()?.instantiate_pre(component)?);
    };
    if shared.typed_imports.get().is_none() {
        // Of two that come first at once, one's linker is dropped.
        let _ = shared.typed_imports.set(traps()?);
    }
    if let Some(imports) = shared.typed_imports.get()
        && let Ok(pre) = imports.instantiate_pre(component)
    {
        return TypedPre::new(pre);
    }
    // Another component around the same engine may have other imports.
    TypedPre::new(traps()?.instantiate_pre(component)?)
}
