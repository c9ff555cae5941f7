//! Money: what is used is written down, and what may be spent is the limit.

use serde_json::json;

use crate::guests;
use crate::host::Host;

#[test]
fn a_spent_budget_stops_the_function_with_the_next_call_and_is_told() {
    let host = Host::start(&[("prices.table", "aws-lambda-x86")]);
    host.deploy("f", &guests::hello());
    host.deploy("other", &guests::hello());
    // A call costs 2e-7 for the request and a little for its time.
    assert_eq!(
        host.patch(
            "f",
            json!({"budget": {"usd": 9e-7, "period": "total", "warn_at": 0.5}})
        )
        .status,
        200
    );
    let mut answered = 0;
    let refused = loop {
        let answer = host.call("/f").get();
        if answer.status != 200 {
            break answer;
        }
        answered += 1;
        assert!(answered <= 5, "the budget stops it");
    };
    assert_eq!(refused.status, 402);
    assert_eq!(
        refused.refusal(),
        "the budget of the function `f` is spent; calls are taken again when its period ends or its operator resumes it"
    );
    assert!((1..=5).contains(&answered), "{answered}");
    assert_eq!(host.call("/other").get().status, 200, "others go on");
    assert_eq!(
        host.control("/api/functions/f").get().json()["state"],
        "out-of-budget"
    );
    let kinds = |host: &Host| -> Vec<String> {
        let events = host.control("/api/events").get().json();
        let events = events.as_array().unwrap().iter();
        events
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .filter(|kind| kind.starts_with("budget"))
            .collect()
    };
    assert_eq!(kinds(&host), ["budget-warning", "budget-spent"]);
    let budgets = host.control("/api/budgets").get().json();
    assert_eq!(
        (&budgets[0]["subject"], &budgets[0]["state"]),
        (&json!("function:f"), &json!("spent"))
    );

    assert_eq!(
        host.control("/api/functions/f/resume").post(b"").status,
        200
    );
    assert_eq!(host.call("/f").get().status, 200);
    assert_eq!(kinds(&host).last().unwrap(), "budget-resumed");
    let none = host.control("/api/functions/other/resume").post(b"");
    assert_eq!(
        (none.status, none.refusal().as_str()),
        (
            409,
            "the function `other` has no budget; its settings give it one"
        )
    );
}

#[test]
fn usage_adds_up_by_function_version_caller_and_hour() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::echo());
    let key = host
        .control("/api/keys")
        .json("POST", json!({"name": "ada"}));
    let secret = key.json()["secret"].as_str().unwrap().to_owned();
    for body in ["a", "bb", "ccc"] {
        assert_eq!(
            host.call("/f")
                .header("x-api-key", &secret)
                .post(body.as_bytes())
                .status,
            200
        );
    }
    assert_eq!(host.call("/f").post(b"dddd").status, 200);
    host.deploy("f", &guests::says("x"));
    assert_eq!(host.call("/f").get().status, 200);
    let usage = |by: &str| host.control(&format!("/api/usage?by={by}")).get().json();
    let rows = usage("function,version,caller,hour");
    let found: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["version"].as_u64().unwrap(),
                row["caller"].as_str().unwrap(),
                row["invocations"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(found, [(1, "", 1), (1, "ada", 3), (2, "", 1)]);
    assert_eq!(rows[1]["bytes_in"], 6);
    assert_eq!(rows[1]["bytes_out"], 6);
    let total = &usage("total")[0];
    assert_eq!(total["invocations"], 5);
    for name in ["wall_us", "cpu_us"] {
        assert!(total[name].as_u64().unwrap() > 0, "{name} in {total}");
    }
    for name in ["gb_seconds", "exact_usd", "billed_usd"] {
        assert!(total[name].as_f64().unwrap() > 0.0, "{name} in {total}");
    }
    assert!(
        total["billed_usd"].as_f64() > total["exact_usd"].as_f64(),
        "a fee per request and whole milliseconds"
    );
    let csv = host
        .control("/api/usage?by=caller")
        .header("accept", "text/csv")
        .get();
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(
        csv.text().starts_with("caller,invocations,"),
        "{}",
        csv.text()
    );
    assert_eq!(csv.text().lines().count(), 3);
    let refused = host.control("/api/usage?by=moon").get();
    assert_eq!(
        (refused.status, refused.refusal().as_str()),
        (
            400,
            "`by` names `moon`; it takes function, version, caller and hour, or total"
        )
    );
}
