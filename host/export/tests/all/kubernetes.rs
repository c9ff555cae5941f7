//! Kubernetes' own types (`k8s-openapi`, made from its OpenAPI document) know every member that is written.

use hyaline_export::{Subject, Target};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{PodSpec, Service};
use k8s_openapi::serde::Serialize;
use k8s_openapi::serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{contents, documents, subjects};

/// Reads a document into a type of Kubernetes and writes it back: a member that is misspelt or misplaced gets lost, one of
/// a wrong type is an error.
fn survives<T: DeserializeOwned + Serialize>(document: &Value) {
    let read: T = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(&serde_json::to_value(read).unwrap(), document);
}

fn check(document: &Value) {
    match document["kind"].as_str().unwrap() {
        "Deployment" => survives::<Deployment>(document),
        "Service" if document["apiVersion"] == "v1" => survives::<Service>(document),
        "HorizontalPodAutoscaler" => survives::<HorizontalPodAutoscaler>(document),
        "Service" => {
            // Knative's template is a pod with two members more.
            let mut pod = document["spec"]["template"]["spec"].clone();
            for own in ["containerConcurrency", "timeoutSeconds"] {
                pod.as_object_mut().unwrap().remove(own);
            }
            survives::<PodSpec>(&pod);
        }
        "SpinApp" => {}
        other => panic!("{other}"),
    }
}

fn kinds(target: Target, subject: &Subject, path: &str) -> Vec<String> {
    documents(&contents(target, subject, path))
        .iter()
        .map(|document| {
            check(document);
            document["kind"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn kubernetes_knows_every_member() {
    let plain = kinds(Target::Kubernetes, &subjects::plain(), "kubernetes.yaml");
    assert_eq!(plain, ["Deployment", "Service", "HorizontalPodAutoscaler"]);
    let full = kinds(
        Target::Kubernetes,
        &subjects::with_secrets(),
        "kubernetes.yaml",
    );
    assert_eq!(full, ["Deployment", "Service"]);
    for (target, path) in [
        (Target::Knative, "service.yaml"),
        (Target::CloudRun, "service.yaml"),
    ] {
        assert_eq!(kinds(target, &subjects::full(), path), ["Service"]);
    }
    let spin = kinds(Target::SpinKube, &subjects::plain(), "spinapp.yaml");
    assert_eq!(spin, ["SpinApp", "HorizontalPodAutoscaler"]);
}

#[test]
fn a_member_that_kubernetes_does_not_know_is_noticed() {
    let text = contents(Target::Kubernetes, &subjects::plain(), "kubernetes.yaml");
    let mut deployment = documents(&text).remove(0);
    deployment["spec"]["template"]["spec"]["containers"][0]["argz"] = json!(["serve"]);
    let read: Deployment = serde_json::from_value(deployment.clone()).unwrap();
    assert_ne!(serde_json::to_value(read).unwrap(), deployment);
}

#[test]
fn the_parts_of_a_deployment_find_each_other() {
    let text = contents(Target::Kubernetes, &subjects::plain(), "kubernetes.yaml");
    let found = documents(&text);
    let [deployment, service, scaler] = found.as_slice() else {
        panic!("{text}");
    };
    let selector = &deployment["spec"]["selector"]["matchLabels"];
    assert_eq!(selector, &service["spec"]["selector"]);
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(
        selector["app.kubernetes.io/name"],
        labels["app.kubernetes.io/name"]
    );
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["ports"][0]["name"],
        service["spec"]["ports"][0]["targetPort"]
    );
    assert_eq!(
        container["args"],
        json!([
            "serve",
            "/functions/credit.wasm",
            "--listen",
            "0.0.0.0:3000"
        ])
    );
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/healthz");
    assert_eq!(
        scaler["spec"]["scaleTargetRef"]["name"],
        deployment["metadata"]["name"]
    );
    assert_eq!(deployment["spec"].get("replicas"), None);
}

#[test]
fn secrets_are_files_that_variables_lead_to() {
    let text = contents(Target::Knative, &subjects::with_secrets(), "service.yaml");
    let pod = &documents(&text)[0]["spec"]["template"]["spec"];
    let environment = pod["containers"][0]["env"].as_array().unwrap();
    assert!(
        environment.contains(&json!({
            "name": "HYALINE_TEST_KEY", "value": "/run/secrets/hyaline/key"
        })),
        "{text}"
    );
    let volume = &pod["volumes"][1];
    assert_eq!(volume["secret"]["secretName"], "credit");
    assert_eq!(
        volume["secret"]["items"][1],
        json!({"key": "key", "path": "key"})
    );
    assert_eq!(
        pod["containers"][0]["volumeMounts"][1],
        json!({"name": "secrets", "mountPath": "/run/secrets/hyaline", "readOnly": true})
    );
}
