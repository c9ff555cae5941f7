//! Encrypted connections, without OpenSSL and aws-lc.

use hyaline_oci::{OciError, Options, Transport, pull, push};

use crate::component::{component, description};
use crate::registry::{Registry, anonymous, chain};

#[tokio::test]
async fn a_registry_with_a_trusted_certificate_is_reached_over_tls() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = certified.cert.pem();
    let registry =
        Registry::start_with_certificate(&certificate, &certified.signing_key.serialize_pem());
    let place = registry.at("credit:1");
    let trusting = Options {
        transport: Transport::Tls,
        roots: vec![certificate.into_bytes()],
        ..anonymous()
    };
    let bytes = component(1);
    push(&place, bytes.clone(), &description("credit"), &trusting)
        .await
        .unwrap();
    assert_eq!(pull(&place, &trusting).await.unwrap().component, bytes);

    let stranger = Options {
        transport: Transport::Tls,
        ..anonymous()
    };
    let error = pull(&place, &stranger).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the registry `{}` cannot be reached over https",
            registry.address()
        )
    );
    assert!(chain(&error).contains("certificate"), "{}", chain(&error));
}

#[tokio::test]
async fn tls_is_not_given_up_for_a_registry_without_it() {
    let registry = Registry::start();
    let options = Options {
        transport: Transport::Tls,
        ..anonymous()
    };
    let error = pull(&registry.at("credit:1"), &options).await.unwrap_err();
    assert!(
        matches!(error, OciError::Unreachable { .. }),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_certificate_that_is_none_is_an_error() {
    let options = Options {
        transport: Transport::Tls,
        roots: vec![b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()],
        ..anonymous()
    };
    let place = hyaline_oci::Reference::new("127.0.0.1:1/credit").unwrap();
    let error = pull(&place, &options).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot set up the connection to `127.0.0.1:1`"
    );
}
