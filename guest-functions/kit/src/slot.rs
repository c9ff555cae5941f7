//! The one place where the model lives: filled once at pack time, sealed from then on.

use std::sync::OnceLock;

use hyaline_protocol::Function;

use crate::allocator::seal;

static SLOT: OnceLock<Function> = OnceLock::new();

/// The loaded function.
///
/// # Errors
/// Before [`load`].
pub(crate) fn function() -> Result<&'static Function, String> {
    SLOT.get().ok_or_else(|| {
        "this engine holds no model yet; `hyaline pack` makes a function of it".to_owned()
    })
}

/// Validates `image`, precomputes, warms up, and seals the slot.
///
/// # Errors
/// When a model is loaded already, or the image or what is derived from it is refused.
pub(crate) fn load(image: Vec<u8>) -> Result<(), String> {
    let loaded = match SLOT.get() {
        Some(function) => Err(format!(
            "the function `{}` is sealed: it was loaded when it was packed, and a model is never replaced",
            function.name()
        )),
        None => Function::from_image(&image).map_err(|error| error.to_string()),
    };
    drop(image);
    let function = loaded?;
    function
        .warm_up()
        .map_err(|error| format!("the model refuses its own example row: {error}"))?;
    SLOT.set(function)
        .map_err(|_| "the slot was filled while the model was being loaded".to_owned())?;
    seal();
    Ok(())
}
