//! API keys on disk: acknowledged ones survive a kill and a full disk, revoked ones stay dead.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use hyaline_control::{FunctionName, KeyRequest, Period, Quota, Rate};
use hyaline_gateway::{KeyError, Keys, is_secret};
use jiff::{Timestamp, ToSpan};
use serde_json::json;

fn now() -> Timestamp {
    "2026-11-27T12:00:00Z".parse().unwrap()
}

fn request(document: serde_json::Value) -> KeyRequest {
    serde_json::from_value(document).unwrap()
}

fn open(directory: &tempfile::TempDir) -> Keys {
    Keys::open(&directory.path().join("keys.redb")).unwrap()
}

#[test]
fn a_key_is_what_it_was_after_the_host_starts_again() {
    let directory = tempfile::tempdir().unwrap();
    let keys = open(&directory);
    let request = KeyRequest {
        functions: Some(vec![FunctionName::new("credit").unwrap()]),
        rate: Some(Rate {
            requests: 5,
            seconds: 1,
            burst: None,
        }),
        quotas: vec![Quota {
            requests: 10,
            period: Period::Month,
        }],
        expires: Some(now() + 24.hours()),
        ..request(json!({"name": "mobile", "budget": {"usd": 1.5, "period": "day"}}))
    };
    let issued = keys.issue(request.clone(), now()).unwrap();
    assert!(is_secret(&issued.secret), "{}", issued.secret);
    assert!(issued.secret.starts_with(&issued.key.prefix));
    assert_eq!(issued.key.grant, request);
    let other = keys
        .issue(self::request(json!({"name": "other"})), now())
        .unwrap();
    assert_ne!(issued.secret, other.secret);
    drop(keys);

    let keys = open(&directory);
    assert_eq!(keys.list(), [issued.key.clone(), other.key]);
    let found = keys.find(&issued.secret).unwrap();
    assert_eq!(found.api(), &issued.key);
    assert!(found.may_call(&FunctionName::new("credit").unwrap()));
    assert!(!found.may_call(&FunctionName::new("other").unwrap()));
    assert!(!found.has_expired(now() + 24.hours() - 1.nanosecond()));
    assert!(found.has_expired(now() + 24.hours()));
    assert!(keys.find(&issued.secret[..51]).is_none());
}

#[test]
fn the_secret_is_nowhere_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let keys = open(&directory);
    let issued = keys.issue(request(json!({"name": "a"})), now()).unwrap();
    drop(keys);
    let bytes = std::fs::read(directory.path().join("keys.redb")).unwrap();
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(holds(&issued.key.prefix));
    assert!(!holds(&issued.secret));
    assert!(!holds(&issued.secret[12..47]));
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let _keys = open(&directory);
    let metadata = std::fs::metadata(directory.path().join("keys.redb")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_revoked_key_is_dead_at_once_and_for_good_and_its_name_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let keys = open(&directory);
    let first = keys.issue(request(json!({"name": "a"})), now()).unwrap();
    let refused = keys
        .issue(request(json!({"name": "a"})), now())
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there is an API key `a` already (made 2026-11-27T12:00:00Z); revoke it first, or choose another name"
    );
    let name = first.key.grant.name.clone();
    keys.revoke(&name).unwrap();
    assert!(keys.find(&first.secret).is_none());
    assert!(matches!(keys.revoke(&name), Err(KeyError::Unknown { .. })));
    let second = keys.issue(request(json!({"name": "a"})), now()).unwrap();
    drop(keys);
    let keys = open(&directory);
    assert!(keys.find(&first.secret).is_none());
    assert!(keys.find(&second.secret).is_some());
}

#[test]
fn the_name_of_an_expired_key_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let keys = open(&directory);
    let expires = (now() + 1.second()).to_string();
    let first = keys
        .issue(request(json!({"name": "a", "expires": expires})), now())
        .unwrap();
    assert!(keys.issue(request(json!({"name": "a"})), now()).is_err());
    let second = keys
        .issue(request(json!({"name": "a"})), now() + 1.second())
        .unwrap();
    assert!(keys.find(&first.secret).is_none());
    assert!(keys.find(&second.secret).is_some());
    assert_eq!(keys.list().len(), 1);
}

#[test]
fn keys_that_could_never_work_are_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let keys = open(&directory);
    for (document, words) in [
        (
            json!({"name": "a", "control": true, "functions": ["x"]}),
            "the API key `a` cannot be: a key that opens the control plane may do everything; leave `functions` out",
        ),
        (
            json!({"name": "a", "functions": []}),
            "the API key `a` cannot be: `functions` is empty; name the functions it may call, or leave it out for all",
        ),
        (
            json!({"name": "a", "expires": "2026-11-27T12:00:00Z"}),
            "the API key `a` would have expired at 2026-11-27T12:00:00Z already; it is 2026-11-27T12:00:00Z",
        ),
        (
            json!({"name": "a", "rate": {"requests": 0, "seconds": 1}}),
            "a rate of 0 requests in 1 s with a burst of 0 lets nothing through; each takes at least 1",
        ),
        (
            json!({"name": "a", "quotas": [{"requests": 0, "period": "day"}]}),
            "a quota of 0 calls per day is out of range; it takes 1 to 17592186044415",
        ),
    ] {
        assert_eq!(
            keys.issue(request(document), now())
                .unwrap_err()
                .to_string(),
            words
        );
    }
    assert!(keys.list().is_empty());
}

#[test]
fn whether_a_key_opens_the_control_plane_depends_on_the_time() {
    let directory = tempfile::tempdir().unwrap();
    let keys = open(&directory);
    keys.issue(request(json!({"name": "a"})), now()).unwrap();
    assert!(!keys.has_control_key(now()));
    let expires = (now() + 1.hour()).to_string();
    let control = json!({"name": "root", "control": true, "expires": expires});
    keys.issue(request(control), now()).unwrap();
    assert!(keys.has_control_key(now()));
    assert!(!keys.has_control_key(now() + 1.hour()));
}

#[test]
fn files_that_are_not_ours_are_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let keys = open(&directory);
    let path = directory.path().join("keys.redb");
    let shown = path.display();
    assert_eq!(
        Keys::open(&path).err().unwrap().to_string(),
        format!(
            "`{shown}` is in use by another host; a directory of state serves one host at a time"
        )
    );
    drop(keys);
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let format = redb::TableDefinition::<&str, u64>::new("format");
    transaction
        .open_table(format)
        .unwrap()
        .insert("version", 2)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(
        Keys::open(&path).err().unwrap().to_string(),
        format!(
            "`{shown}` has format 2; this version of hyaline reads format 1, so it takes a newer one"
        )
    );
    std::fs::write(&path, "no database at all").unwrap();
    assert_eq!(
        Keys::open(&path).err().unwrap().to_string(),
        format!("`{shown}` cannot be opened")
    );
    assert!(matches!(
        Keys::open(&directory.path().join("missing/keys.redb")),
        Err(KeyError::Disk { .. })
    ));
}

#[test]
fn a_damaged_key_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let keys = open(&directory);
    keys.issue(request(json!({"name": "a"})), now()).unwrap();
    drop(keys);
    let path = directory.path().join("keys.redb");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let table = redb::TableDefinition::<&str, &[u8]>::new("keys");
    transaction
        .open_table(table)
        .unwrap()
        .insert("a", &b"{}"[..])
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let refused = Keys::open(&path).err().unwrap().to_string();
    assert!(
        refused.contains("is damaged: its key `a` cannot be read"),
        "{refused}"
    );
}

/// Runs one test of this file in a process of its own, with a directory to work in.
fn child(test: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("GATEWAY_TEST_CHILD", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

fn secret_of(line: &str) -> Option<&str> {
    // The test's own name stands before the first line.
    line.split_once("acknowledged ").map(|(_, secret)| secret)
}

#[test]
fn acknowledged_keys_survive_kill_9() {
    if let Some(directory) = std::env::var_os("GATEWAY_TEST_CHILD") {
        let keys = Keys::open(&Path::new(&directory).join("keys.redb")).unwrap();
        for number in keys.list().len().. {
            let name = format!("key-{number}");
            let issued = keys.issue(request(json!({"name": name})), now()).unwrap();
            say(&format!("acknowledged {}", issued.secret));
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let mut secrets = Vec::new();
    for round in 0..5 {
        let mut process = child("acknowledged_keys_survive_kill_9", directory.path())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while let Some(Ok(line)) = lines.next() {
            secrets.extend(secret_of(&line).map(str::to_owned));
            seen += usize::from(secret_of(&line).is_some());
            if seen == 3 + round {
                process.kill().unwrap();
            }
        }
        process.wait().unwrap();
        let keys = open(&directory);
        for secret in &secrets {
            assert!(keys.find(secret).is_some(), "{secret}");
        }
        // One more may have reached the disk without being acknowledged.
        let held = keys.list().len();
        assert!(held >= secrets.len() && held <= secrets.len() + round + 1);
    }
    assert!(secrets.len() >= 25);
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fails_loses_nothing_and_is_used_again_when_it_works() {
    /// A key whose record fills many pages.
    fn long(name: &str) -> KeyRequest {
        let functions: Vec<_> = (0..2000)
            .map(|number| format!("function-number-{number}"))
            .collect();
        request(json!({"name": name, "functions": functions}))
    }
    if let Some(directory) = std::env::var_os("GATEWAY_TEST_CHILD") {
        let keys = Keys::open(&Path::new(&directory).join("keys.redb")).unwrap();
        let victim = keys
            .issue(request(json!({"name": "victim"})), now())
            .unwrap();
        let mut number = 0;
        let error = loop {
            match keys.issue(long(&format!("key-{number}")), now()) {
                Ok(issued) => say(&format!("acknowledged {}", issued.secret)),
                Err(error) => break error,
            }
            number += 1;
        };
        assert!(matches!(error, KeyError::Disk { .. }), "{error:?}");
        assert!(
            error.to_string().ends_with("keys.redb` cannot be written"),
            "{error}"
        );
        assert_eq!(keys.list().len(), number + 1, "what failed is not there");
        // Still too little space: the file is opened again, and fails again.
        assert!(matches!(
            keys.issue(long("again"), now()),
            Err(KeyError::Disk { .. })
        ));
        let name = &victim.key.grant.name;
        let revoked = keys.revoke(name);
        assert!(
            keys.find(&victim.secret).is_none(),
            "a stolen key dies even though the disk is full: {revoked:?}"
        );
        if let Err(error) = &revoked {
            assert!(
                matches!(error, KeyError::RevokedInMemory { .. }),
                "{error:?}"
            );
        }
        say(&format!("revoked {}", victim.secret));
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        let issued = keys.issue(long("after"), now()).unwrap();
        say(&format!("acknowledged {}", issued.secret));
        if revoked.is_err() {
            assert!(
                matches!(keys.revoke(name), Err(KeyError::Unknown { .. })),
                "it reached the disk meanwhile"
            );
        }
        say("done");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let direct = child(
        "a_disk_that_fails_loses_nothing_and_is_used_again_when_it_works",
        directory.path(),
    );
    // A limit of the size of files stands for a full disk: with SIGXFSZ ignored, writes beyond it fail with EFBIG.
    let mut limited = Command::new("sh");
    limited
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -S -f 4096; exec \"$0\" \"$@\"")
        .arg(direct.get_program())
        .args(direct.get_args())
        .env("GATEWAY_TEST_CHILD", directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut process = limited.spawn().unwrap();
    let mut secrets = Vec::new();
    let mut revoked = Vec::new();
    let mut done = false;
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        secrets.extend(secret_of(&line).map(str::to_owned));
        done |= line == "done";
        if let Some((_, secret)) = line.split_once("revoked ") {
            revoked.push(secret.to_owned());
            let freed = Command::new("prlimit")
                .arg(format!("--pid={}", process.id()))
                .arg("--fsize=unlimited:unlimited")
                .status()
                .expect("prlimit of util-linux is there");
            assert!(freed.success());
            process.stdin.take().unwrap().write_all(b"\n").unwrap();
        }
    }
    assert!(process.wait().unwrap().success() && done);
    assert!(secrets.len() >= 2 && revoked.len() == 1, "{secrets:?}");
    let keys = open(&directory);
    assert_eq!(keys.list().len(), secrets.len());
    for secret in &secrets {
        assert!(keys.find(secret).is_some());
    }
    assert!(keys.find(&revoked[0]).is_none());
}
