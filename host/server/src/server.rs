//! Listening, accepting, draining.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyaline_runtime::{Engine, EngineConfig, Function, Limits, Meter, Policy};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

use crate::application::{Application, Component};
use crate::error::BindError;
use crate::forward::RouteHeaders;
use crate::service::{Served, Service};
use crate::startup::{Startup, StartupRoute};

/// How to serve.
#[derive(Clone)]
pub struct Config {
    /// The address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Requests that run at once, over all functions.
    pub concurrency: u32,
    /// Requests that wait for a place; one more is answered 503.
    pub queue: usize,
    /// How long a request waits for a place before it is answered 503.
    pub queue_wait: Duration,
    /// What each request may use.
    pub limits: Limits,
    /// Bytes of the longest request body; a longer one is answered 413.
    pub body_limit: usize,
    /// How long a request body may take to arrive, else it is answered 408.
    pub body_wait: Duration,
    /// How long a request head may take to arrive, and how long a connection may be idle, before it is closed.
    pub head_wait: Duration,
    /// How long requests in flight may take to finish after the server was told to stop.
    pub drain: Duration,
    /// The directory for compiled functions; `None`: compile at every start.
    pub cache: Option<PathBuf>,
    /// Told about every invocation.
    pub meter: Option<Arc<dyn Meter>>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: (Ipv4Addr::LOCALHOST, 3000).into(),
            concurrency: 64,
            queue: 256,
            queue_wait: Duration::from_secs(1),
            limits: Limits::default(),
            body_limit: 8 << 20,
            body_wait: Duration::from_secs(30),
            head_wait: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            cache: None,
            meter: None,
        }
    }
}

/// Bytes of the longest request head (request line and headers).
const HEAD_LIMIT: usize = 64 << 10;
/// After the system had no descriptor for a new connection, this long passes before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server that holds its address and its functions, and is ready to answer.
pub struct Server {
    listener: TcpListener,
    connections: auto::Builder<TokioExecutor>,
    service: Arc<Service>,
    startup: Startup,
    drain: Duration,
}

/// How a server stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request in flight was answered.
    Completely,
    /// Some took longer than [`Config::drain`] and were cut off.
    CutOff,
}

impl Server {
    /// Takes the address, then loads the functions of `application`, as many at a time as the machine has cores.
    ///
    /// # Errors
    ///
    /// [`BindError`]: the address is not to be had, or a component cannot be read, is refused, or has no HTTP door.
    pub async fn bind(config: Config, application: &Application) -> Result<Self, BindError> {
        let started = Instant::now();
        let listen = |source| BindError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let engine = Engine::new(EngineConfig {
            concurrency: config.concurrency,
            cache: config.cache.clone(),
        })?;

        let mut loading = Vec::new();
        for component in &application.components {
            let (engine, component, config) = (engine.clone(), component.clone(), config.clone());
            let id = component.id.clone();
            loading.push((
                id,
                tokio::task::spawn_blocking(move || load(&engine, &component, &config)),
            ));
        }
        let mut functions = BTreeMap::new();
        for (component, task) in loading {
            let function = task.await.map_err(|_| BindError::Interrupted {
                component: component.clone(),
            })??;
            functions.insert(component, function);
        }

        let mut served = Vec::new();
        let mut routes = Vec::new();
        for routed in &application.routes {
            let Some(function) = functions.get(&routed.component) else {
                continue;
            };
            let component = application
                .components
                .iter()
                .find(|component| component.id == routed.component);
            let description = component.map_or("", |component| &component.description);
            routes.push((
                routed.route.clone(),
                StartupRoute::new(&routed.route, function, description, address),
            ));
            served.push(Served {
                route: routed.route.clone(),
                headers: RouteHeaders::new(&routed.route),
                function: function.clone(),
            });
        }
        routes.sort_by(|(left, _), (right, _)| left.specificity(right));
        let routes = routes.into_iter().map(|(_, startup)| startup).collect();
        Ok(Server {
            listener,
            connections: connections(&config),
            service: Arc::new(Service::new(served, &config)),
            startup: Startup::new(&application.name, address, routes, started.elapsed()),
            drain: config.drain,
        })
    }

    /// What to tell the one who started it.
    pub fn startup(&self) -> &Startup {
        &self.startup
    }

    /// Answers requests until `shutdown` resolves; then takes no new connection, and returns when the requests in
    /// flight are answered, or [`Config::drain`] later.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Server {
            listener,
            connections,
            service,
            drain,
            ..
        } = self;
        let graceful = GracefulShutdown::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, client)) => converse(stream, client, &connections, &service, &graceful),
                    Err(error) => {
                        tracing::warn!(%error, "cannot take a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                () = &mut shutdown => break,
            }
        }
        drop(listener);
        match tokio::time::timeout(drain, graceful.shutdown()).await {
            Ok(()) => Drained::Completely,
            Err(_elapsed) => Drained::CutOff,
        }
    }
}

fn connections(config: &Config) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_wait)
        .max_buf_size(HEAD_LIMIT)
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_LIMIT as u32)
        .max_concurrent_streams(config.concurrency);
    builder
}

fn converse(
    stream: TcpStream,
    client: SocketAddr,
    connections: &auto::Builder<TokioExecutor>,
    service: &Arc<Service>,
    graceful: &GracefulShutdown,
) {
    // Answers are written whole; waiting to fill a packet would only delay them. If it cannot be set, they are late.
    let _ = stream.set_nodelay(true);
    let service = service.clone();
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request, client).await) }
    });
    let connection = connections
        .serve_connection(TokioIo::new(stream), answer)
        .into_owned();
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(%client, %error, "a connection ended early");
        }
    });
}

fn load(engine: &Engine, component: &Component, config: &Config) -> Result<Function, BindError> {
    let bytes = std::fs::read(&component.path).map_err(|source| BindError::Read {
        component: component.id.clone(),
        path: component.path.clone(),
        build: component
            .build
            .as_ref()
            .map(|build| build.commands.join(" && ")),
        source,
    })?;
    let policy = Policy {
        limits: config.limits.clone(),
        outbound: component.outbound.clone(),
        meter: config.meter.clone(),
    };
    let function = Function::load(engine, &component.id, &bytes, policy).map_err(|source| {
        BindError::Load {
            component: component.id.clone(),
            source,
        }
    })?;
    if !function.has_http_door() {
        return Err(BindError::NoHttpDoor {
            component: component.id.clone(),
        });
    }
    Ok(function)
}
