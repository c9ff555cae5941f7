//! Putting a function into a registry.

use bytes::Bytes;
use hyaline_control::Digest;
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;

use crate::artefact;
use crate::client::Connection;
use crate::component;
use crate::description::Description;
use crate::error::{Action, OciError};
use crate::options::Options;
use crate::reference::Reference;

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The SHA-256 of the manifest.
    pub digest: Digest,
    /// The SHA-256 of the component.
    pub component: Digest,
    /// Where it is, by the manifest's digest: what to write down, because a tag can be moved.
    pub reference: Reference,
}

/// Puts a component into a registry and moves the reference's tag to it. Blobs that the registry has are not sent again;
/// the tag moves last, so that whoever pulls meanwhile gets the old artefact or the new one.
///
/// # Errors
/// [`OciError`]: the bytes are no component, the reference has a digest, the registry cannot be reached, does not know
/// who asks, or refuses.
pub async fn push(
    reference: &Reference,
    component: impl Into<Bytes>,
    description: &Description,
    options: &Options,
) -> Result<Pushed, OciError> {
    if reference.digest().is_some() {
        return Err(OciError::PushToDigest {
            reference: reference.to_string(),
        });
    }
    let component = component.into();
    let interface = component::interface(&component).map_err(|found| OciError::NotAComponent {
        subject: format!("the file of `{}`", description.function),
        found,
    })?;
    let artefact = artefact::build(component, interface, description, options.layout);
    let connection = Connection::open(reference, options, Action::Push).await?;
    let (client, place) = (&connection.client, reference.inner());
    for (digest, bytes) in &artefact.blobs {
        let digest = digest.to_string();
        // A registry may refuse to say (some do for repositories that do not exist yet); then it is sent.
        if !client.blob_exists(place, &digest).await.unwrap_or(false) {
            client
                .push_blob(place, bytes.clone(), &digest)
                .await
                .map_err(|source| connection.error(source))?;
        }
    }
    let media_type = OCI_IMAGE_MEDIA_TYPE
        .parse()
        .expect("a media type is a header value");
    client
        .push_manifest_raw(place, artefact.manifest.clone(), media_type)
        .await
        .map_err(|source| connection.error(source))?;
    Ok(Pushed {
        digest: artefact.digest,
        component: artefact.component,
        reference: reference.pinned(artefact.digest),
    })
}
