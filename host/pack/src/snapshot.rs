//! engine + model image → a component whose fresh instances have the model ready.
//!
//! The engine runs `load(image)` once, here; what it leaves in linear memory and globals becomes the initial state of the
//! packed component (`wasmtime-wizer`). `load` stays exported: the component's type does not change by packing, and the
//! engine answers a second call with an error.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::component::{ComponentNamedList, Lift, WasmList};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use crate::sandbox::{Cause, Guest, Sandbox};

/// Why an engine and an image make no component.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The engine is built in a way a snapshot cannot carry.
    #[error("the engine cannot be snapshotted")]
    Unfit(#[source] Cause),
    /// The engine does not compile, or lacks an export of the function contract.
    #[error("the engine cannot be started")]
    Start(#[source] Cause),
    /// `load` trapped.
    #[error(
        "the engine trapped in `load`; every import traps while packing, so that no clock, random seed or handle is \
         frozen into a function"
    )]
    Trapped(#[source] Cause),
    /// `load` answered with an error.
    #[error("the engine refuses the model: {0}")]
    Refused(String),
    /// The loaded state could not be read back.
    #[error("the state of the loaded engine cannot be read")]
    Unreadable(#[source] Cause),
}

/// A packed component, and the engine that `load` left behind it.
pub(crate) struct Snapshot {
    pub(crate) component: Vec<u8>,
    /// The engine with the model loaded, not snapshotted: what the component must be equal to.
    pub(crate) loaded: Guest,
}

/// Loads `image` into `engine` and takes the snapshot. Equal inputs give equal bytes.
pub(crate) fn take(
    sandbox: &Sandbox,
    engine: &[u8],
    image: &[u8],
) -> Result<Snapshot, SnapshotError> {
    let mut wizer = Wizer::new();
    wizer.init_func("load").keep_init_func(true);
    let (context, instrumented) = wizer
        .instrument_component(engine)
        .map_err(|error| SnapshotError::Unfit(error.into()))?;
    let mut guest = sandbox
        .instantiate(&instrumented)
        .map_err(SnapshotError::Start)?;
    guest
        .load(image)
        .map_err(SnapshotError::Trapped)?
        .map_err(SnapshotError::Refused)?;

    let mut state = State {
        guest: &mut guest,
        failure: None,
    };
    let component = ready(wizer.snapshot_component(&context, &mut state));
    match state.failure {
        Some(cause) => Err(SnapshotError::Unreadable(cause)),
        None => Ok(Snapshot {
            component: component.map_err(|error| SnapshotError::Unreadable(error.into()))?,
            loaded: guest,
        }),
    }
}

/// Reads the instrumented engine's memories and globals through the accessors that instrumentation added.
struct State<'a> {
    guest: &'a mut Guest,
    /// The first failed read; what is returned for it and after it means nothing.
    failure: Option<Cause>,
}

impl State<'_> {
    fn read<R>(&mut self, instance: &str, accessor: &str) -> Option<R>
    where
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        let Guest {
            store,
            instance: guest,
            ..
        } = &mut *self.guest;
        let export = guest
            .get_export_index(&mut *store, None, instance)
            .and_then(|index| guest.get_export_index(&mut *store, Some(&index), accessor));
        let value = match export {
            Some(export) => guest
                .get_typed_func::<(), (R,)>(&mut *store, export)
                .and_then(|accessor| accessor.call(&mut *store, ())),
            None => Err(wasmtime::Error::msg(format!(
                "instrumentation added no `{instance}#{accessor}`"
            ))),
        };
        match value {
            Ok((value,)) => Some(value),
            Err(error) => {
                self.failure.get_or_insert(error.into());
                None
            }
        }
    }
}

impl ComponentInstanceState for State<'_> {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        accessor: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        match self.read::<WasmList<u8>>(instance, accessor) {
            Some(list) => contents(list.as_le_slice(&self.guest.store)),
            None => contents(&[]),
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, accessor: &str) -> i32 {
        self.read(instance, accessor).unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, accessor: &str) -> i64 {
        self.read(instance, accessor).unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, accessor: &str) -> u32 {
        self.read::<f32>(instance, accessor)
            .unwrap_or_default()
            .to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, accessor: &str) -> u64 {
        self.read::<f64>(instance, accessor)
            .unwrap_or_default()
            .to_bits()
    }
}

/// The value of a future that never waits: `State` reads synchronously.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("no read of the state waits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::typed;
    use crate::stand_in::{Vice, stand_in};

    const CLOCK: Option<(&str, &str)> = Some(("wasi:clocks/monotonic-clock@0.2.99", "now"));

    fn pack(vice: Vice, image: &[u8]) -> Result<Snapshot, SnapshotError> {
        take(
            &Sandbox::new().expect("wasmtime starts"),
            &stand_in(vice),
            image,
        )
    }

    fn refusal(vice: Vice, image: &[u8]) -> String {
        let error = pack(vice, image).err().expect("packing is refused");
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
            error.source()
        });
        causes
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ")
    }

    fn answer(guest: &mut Guest) -> Vec<f64> {
        guest
            .predict(&[typed::Column::Numbers(vec![0.0])])
            .expect("no trap")
            .expect("no refusal")
            .values
    }

    #[test]
    fn a_fresh_instance_has_the_model_and_a_second_load_is_an_error() {
        let image = 42.5f64.to_le_bytes();
        let sandbox = Sandbox::new().expect("wasmtime starts");
        let mut snapshot =
            take(&sandbox, &stand_in(Vice::default()), &image).expect("the stand-in packs");
        let mut fresh = sandbox
            .instantiate(&snapshot.component)
            .expect("`load` is still exported, as the contract says");
        assert_eq!(answer(&mut fresh), [42.5]);
        assert_eq!(answer(&mut snapshot.loaded), [42.5]);
        let refused = fresh
            .load(&image)
            .expect("no trap")
            .expect_err("the model cannot be replaced");
        assert_eq!(refused, "the model is already loaded");
        assert_eq!(answer(&mut fresh), [42.5]);
    }

    #[test]
    fn packing_twice_gives_equal_bytes() {
        let image = [7u8; 4000];
        let [one, two] = [(); 2].map(|()| {
            pack(Vice::default(), &image)
                .expect("the stand-in packs")
                .component
        });
        assert!(one == two);
        let other = pack(Vice::default(), &[8u8; 4000])
            .expect("the stand-in packs")
            .component;
        assert!(one != other);
    }

    #[test]
    fn an_import_called_in_load_is_refused_by_its_name() {
        let vice = Vice {
            imports: CLOCK,
            load: "(drop (call $vice))",
        };
        let said = refusal(vice, &[0; 8]);
        assert!(
            said.starts_with("the engine trapped in `load`; every import traps while packing"),
            "{said}"
        );
        assert!(
            said.contains("wasi:clocks/monotonic-clock@0.2.99"),
            "{said}"
        );
    }

    #[test]
    fn an_import_that_is_not_called_is_harmless() {
        pack(
            Vice {
                imports: CLOCK,
                load: "",
            },
            &[0; 8],
        )
        .expect("the stand-in packs");
    }

    #[test]
    fn refusals_are_told_apart() {
        let vice = |load| Vice {
            imports: None,
            load,
        };
        for (load, image, words) in [
            (
                "",
                &[0u8; 3][..],
                "the engine refuses the model: the image is shorter than a number",
            ),
            ("unreachable", &[0; 8], "the engine trapped in `load`"),
            (
                "(table.set 0 (i32.const 0) (ref.null func))",
                &[0; 8],
                "the engine cannot be snapshotted: ",
            ),
        ] {
            let said = refusal(vice(load), image);
            assert!(said.starts_with(words), "{said}");
        }
        let error = take(
            &Sandbox::new().expect("wasmtime starts"),
            b"no component",
            &[],
        )
        .err()
        .expect("refused");
        assert_eq!(error.to_string(), "the engine cannot be snapshotted");
    }
}
