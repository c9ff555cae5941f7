//! What a process has one of: compiler, instance pool, deadline clock, artefact cache.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::artefact::Cache;
use crate::compiled::SharedCodes;
use crate::digest::Digest;
use crate::error::EngineError;
use crate::idle::{IdleInstances, Reclaim};
use crate::lane::Lane;
use crate::priority;
use crate::state::State;
use crate::ticker::{Running, Ticker};

/// How an [`Engine`] is set up. What one request may use is not here but in [`Limits`](crate::Limits), per function.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Instances that can exist at once, over all functions. Each reserves address space, not memory.
    pub concurrency: u32,
    /// The directory for compiled artefacts; made when it is missing. `None`: every load compiles, nothing is written.
    pub cache: Option<PathBuf>,
    /// Whether code counts the fuel it burns: the same request burns the same amount on every machine. It makes
    /// functions slower; a host that meters some functions by fuel has a second engine for them, which can share the
    /// directory.
    pub fuel: bool,
    /// Whether functions made with the same packing engine share its machine code. Without it, each is compiled whole:
    /// seconds and megabytes more for each, and a load or two less per memory access here and there.
    pub share_code: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            concurrency: 64,
            cache: None,
            fuel: false,
            share_code: true,
        }
    }
}

/// The compiler, the pool of instance slots and the deadline clock that all functions of a process share. Cheap to
/// clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    wasm: wasmtime::Engine,
    http_imports: Linker<State>,
    ticker: Ticker,
    lane: Lane,
    compiler: rayon::ThreadPool,
    cache: Option<Cache>,
    shared_codes: Arc<SharedCodes>,
    reclaim: Reclaim,
    config: EngineConfig,
}

/// Bytes of a linear memory that stay mapped when its slot is freed; only the pages a request wrote among them are
/// written back. Beyond it, pages return to the system and fault again.
const MEMORY_KEEP_RESIDENT: usize = 2 << 20;
const TABLE_KEEP_RESIDENT: usize = 512 << 10;

/// Slots left alone for the function that last used them, its image still mapped, before others take them over. The
/// resident memory of an idle host grows with it.
const WARM_SLOTS: u32 = 16;

/// Models up to this size become a copy-on-write image, however sparse. The image costs address space and file space,
/// and reading it as data segments instead would write the whole model on every request.
const IMAGE_SIZE: u64 = 512 << 20;

/// A packed function is one core instance with one memory; the rest is room for composed ones.
const CORE_INSTANCES_PER_COMPONENT: u32 = 24;
const MEMORIES_PER_COMPONENT: u32 = 4;
const TABLES_PER_COMPONENT: u32 = 12;
const MAX_TABLE_ELEMENTS: usize = 200_000;

/// Table elements of the largest instance there can be, all tables together. One table has 200 000 at most: growing it
/// further fails as growing beyond a declared maximum does.
pub const MOST_TABLE_ELEMENTS: u64 = TABLES_PER_COMPONENT as u64 * MAX_TABLE_ELEMENTS as u64;

impl Engine {
    /// # Errors
    ///
    /// [`EngineError`] when the system does not give the address space for the pool or a thread for the clock.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let start = |error: wasmtime::Error| EngineError::Start {
            concurrency: config.concurrency,
            source: error.into(),
        };
        let wasm = wasmtime::Engine::new(&wasm_config(&config)).map_err(start)?;
        let mut http_imports = Linker::new(&wasm);
        wasmtime_wasi_http::p2::add_to_linker_async(&mut http_imports).map_err(start)?;
        let ticker = Ticker::start(wasm.clone()).map_err(EngineError::Clock)?;
        let lane = Lane::start().map_err(EngineError::Threads)?;
        let compiler = rayon::ThreadPoolBuilder::new()
            .thread_name(|number| format!("hyaline-compile-{number}"))
            .start_handler(|_| priority::give_way())
            .build()
            .map_err(|error| EngineError::Threads(std::io::Error::other(error)))?;
        let cache = config
            .cache
            .clone()
            .map(|directory| Cache::new(&wasm, directory));
        Ok(Engine(Arc::new(Inner {
            wasm,
            http_imports,
            ticker,
            lane,
            compiler,
            cache,
            shared_codes: Arc::default(),
            reclaim: Reclaim::default(),
            config,
        })))
    }

    /// Removes what the cache holds of the components with these SHA-256 digests, whatever engine compiled them; the next
    /// load of one compiles it again. Code that functions share stays, and so do functions that are loaded. Reads the
    /// names of all files in the cache. What cannot be removed is told in the log.
    pub fn forget(&self, digests: impl IntoIterator<Item = [u8; 32]>) {
        if let Some(cache) = self.cache() {
            cache.forget(&digests.into_iter().map(Digest).collect());
        }
    }

    pub(crate) fn wasm(&self) -> &wasmtime::Engine {
        &self.0.wasm
    }

    pub(crate) fn http_imports(&self) -> &Linker<State> {
        &self.0.http_imports
    }

    pub(crate) fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.0.cache.as_ref()
    }

    pub(crate) fn shared_codes(&self) -> &Arc<SharedCodes> {
        &self.0.shared_codes
    }

    /// Has these instances reclaimed, too, when slots run out.
    pub(crate) fn may_reclaim(&self, idle: &Arc<IdleInstances>) {
        self.0.reclaim.add(idle);
    }

    /// Drops all instances that wait for a request. Whoever found no slot may find one now.
    pub(crate) fn reclaim(&self) {
        self.0.reclaim.all();
    }

    /// Compiles on threads that give way to those that serve; this one waits.
    pub(crate) fn compile<T: Send>(
        &self,
        compile: impl FnOnce(&wasmtime::Engine) -> T + Send,
    ) -> T {
        self.0.compiler.install(|| compile(&self.0.wasm))
    }

    pub(crate) fn lane(&self) -> &Lane {
        &self.0.lane
    }

    pub(crate) fn run(&self) -> Running {
        self.0.ticker.run()
    }
}

fn wasm_config(engine: &EngineConfig) -> Config {
    let concurrency = engine.concurrency;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(concurrency)
        .total_stacks(concurrency)
        .total_core_instances(concurrency.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(concurrency.saturating_mul(2))
        .total_tables(concurrency.saturating_mul(TABLES_PER_COMPONENT))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .table_elements(MAX_TABLE_ELEMENTS)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(WARM_SLOTS);

    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .memory_guaranteed_dense_image_size(IMAGE_SIZE)
        .epoch_interruption(true)
        .consume_fuel(engine.fuel)
        .concurrency_support(false)
        .parallel_compilation(true)
        // Names of functions are enough in the text of a trap; offsets and unwind tables would double the artefacts.
        .generate_address_map(false)
        .native_unwind_info(false)
        // Two machines must agree to the bit.
        .relaxed_simd_deterministic(true);
    config
}
