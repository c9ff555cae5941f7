//! Why an engine does not start and why a component is not loaded.

use std::error::Error as StdError;

/// Why something below failed, with its own chain of sources.
pub(crate) type Cause = Box<dyn StdError + Send + Sync + 'static>;

/// The engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The operating system or the configuration refused the engine; most often the address space for the instance pool.
    #[error(
        "cannot start the WebAssembly engine with room for {concurrency} instances; if the address space is limited \
         (`ulimit -v`), raise the limit or lower the concurrency"
    )]
    Start {
        /// The concurrency asked for.
        concurrency: u32,
        /// What the engine said.
        source: Cause,
    },
    /// The thread that keeps time for deadlines could not be started.
    #[error("cannot start the deadline clock")]
    Clock(#[source] std::io::Error),
    /// The threads for long invocations, or for compiling, could not be started.
    #[error("cannot start the threads for work that takes long")]
    Threads(#[source] std::io::Error),
}

/// A component was refused before it ran.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not WebAssembly.
    #[error(
        "`{name}` is not WebAssembly: it starts with {start}, and a component starts with `00 61 73 6d 0d 00 01 00`"
    )]
    NotWasm {
        /// The function.
        name: String,
        /// The first bytes, in hexadecimal.
        start: String,
    },
    /// The bytes are a core module.
    #[error(
        "`{name}` is a core WebAssembly module, not a component; make a function with `hyaline pack`, or wrap the \
         module with `wasm-tools component new`"
    )]
    CoreModule {
        /// The function.
        name: String,
    },
    /// The component is malformed, or uses WebAssembly features or sizes this engine does not take.
    #[error("`{name}` does not compile")]
    Compile {
        /// The function.
        name: String,
        /// What the compiler said.
        source: Cause,
    },
    /// The component wants something that functions do not get.
    #[error(
        "`{name}` imports `{import}`, which a function may not have: it gets what wasi:http/proxy 0.2 offers, and no \
         files, sockets or environment; rebuild it without that import"
    )]
    ForbiddenImport {
        /// The function.
        name: String,
        /// The import, with its version.
        import: String,
    },
    /// The component has none of the exports by which a function is called.
    #[error(
        "`{name}` exports neither `wasi:http/incoming-handler@0.2` nor `hyaline:function/model@0.1.0`, so nothing can \
         call it; it exports: {found}"
    )]
    NoDoor {
        /// The function.
        name: String,
        /// The exports there are, or `nothing`.
        found: String,
    },
    /// An import or an export has the right name and the wrong type.
    #[error("`{name}` does not fit the interfaces it names")]
    Link {
        /// The function.
        name: String,
        /// What the linker said.
        source: Cause,
    },
    /// The `hyaline:card` section is not what the packer writes.
    #[error("`{name}` carries a damaged `hyaline:card` section: {reason}; pack it again")]
    Card {
        /// The function.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The component, needed because its compiled code is not there, could not be had.
    #[error("`{name}` has to be compiled, and its component cannot be read")]
    Unreadable {
        /// The function.
        name: String,
        /// What came in its place.
        source: std::io::Error,
    },
    /// The component is another one than was asked for.
    #[error(
        "`{name}` should have the SHA-256 {expected}, and what was read has {found}; deploy it again"
    )]
    OtherComponent {
        /// The function.
        name: String,
        /// The digest asked for, in hexadecimal.
        expected: String,
        /// The digest of the component.
        found: String,
    },
    /// A limit on fuel was set on an engine that does not count fuel.
    #[error(
        "`{name}` has a limit of {limit} units of fuel, and its engine does not count fuel; load it with an engine that \
         does, or leave the limit away"
    )]
    FuelNotCounted {
        /// The function.
        name: String,
        /// The limit.
        limit: u64,
    },
}
