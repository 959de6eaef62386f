//! Dependencies of the product: one TLS stack, no version with a known hole, one registry, and a
//! reason for each.

use std::process::Command;

use toml::{Table, Value};

const LOCK: &str = include_str!("../../Cargo.lock");
const MANIFEST: &str = include_str!("../../Cargo.toml");

/// Parts of names of other TLS stacks. Ring has none of the post-quantum key exchanges.
const OTHER_TLS: &[&str] = &[
    "ring",
    "openssl",
    "native-tls",
    "boring",
    "s2n",
    "schannel",
    "security-framework",
    "mbedtls",
    "wolfssl",
    "gnutls",
    "rustls-rustcrypto",
    "rustls-graviola",
];
/// Packages in the lock file that depend on ring and are never built that way: quinn-proto in
/// browsers only, rustls-webpki by a feature that nothing here turns on.
const RING_IN_LOCK: &[&str] = &["quinn-proto", "rustls-webpki"];

/// First versions without the advisories that were known when they were chosen.
const FLOORS: &[(&str, [u64; 3])] =
    &[("quinn-proto", [0, 11, 19]), ("rustls", [0, 23, 46]), ("rustls-webpki", [0, 103, 13])];
/// Version 3.51.3 in SQLite's encoding: before it, a race of checkpoints could lose a write-ahead
/// log.
const SQLITE_FLOOR: i32 = 3_051_003;

fn packages() -> Vec<Table> {
    let lock: Table = LOCK.parse().unwrap();
    let packages = lock["package"].as_array().unwrap().iter();
    packages.map(|package| package.as_table().unwrap().clone()).collect()
}

fn text<'a>(package: &'a Table, key: &str) -> &'a str {
    package.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_other_tls(name: &str) -> bool {
    // `ring` would otherwise match `string`.
    OTHER_TLS.iter().any(|other| name == *other || *other != "ring" && name.contains(other))
}

/// Major, minor and patch, without what may follow: `1.2.1+spec-1.1.0`, `2.0.0-rc.1`.
fn version(text: &str) -> [u64; 3] {
    let numbers = text.split(['+', '-']).next().unwrap();
    let numbers: Vec<_> = numbers.split('.').map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

#[test]
fn one_tls_stack_is_locked() {
    let packages = packages();
    for package in &packages {
        let name = text(package, "name");
        assert!(name == "ring" || !is_other_tls(name), "{name} in Cargo.lock");
        let needs = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
        let ring =
            needs.filter_map(Value::as_str).any(|need| need.split(' ').next() == Some("ring"));
        assert!(!ring || RING_IN_LOCK.contains(&name), "{name} needs ring");
    }
    for once in ["rustls", "rustls-webpki", "aws-lc-rs", "quinn-proto", "libsqlite3-sys"] {
        let count = packages.iter().filter(|package| text(package, "name") == once).count();
        assert_eq!(count, 1, "versions of {once}");
    }
}

/// Asks cargo, since the lock file covers all platforms and all features.
#[test]
fn one_tls_stack_is_built() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix=none", "--format={p}", "--edges=all"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"aws-lc-rs"));
    assert_eq!(names.iter().find(|name| is_other_tls(name)), None);
}

#[test]
fn versions_are_above_their_advisories() {
    let packages = packages();
    for (name, floor) in FLOORS {
        let package = packages.iter().find(|package| text(package, "name") == *name).unwrap();
        let locked = text(package, "version");
        assert!(version(locked) >= *floor, "{name} {locked} is below {floor:?}");
    }
    let sqlite = rusqlite::version_number();
    assert!(sqlite >= SQLITE_FLOOR, "SQLite {} is below 3.51.3", rusqlite::version());
}

#[test]
fn packages_come_from_a_registry_with_a_checksum() {
    for package in packages() {
        let name = text(&package, "name");
        let own = name == env!("CARGO_PKG_NAME");
        assert_eq!(text(&package, "source").starts_with("registry+"), !own, "{name}");
        assert_eq!(text(&package, "checksum").len() == 64, !own, "{name}");
    }
}

#[test]
fn default_features_are_off() {
    let manifest: Table = MANIFEST.parse().unwrap();
    for (name, asked) in manifest["dependencies"].as_table().unwrap() {
        assert_eq!(asked.get("default-features"), Some(&Value::Boolean(false)), "{name}");
    }
}

/// Lines of a manifest that name a dependency without a reason above them. Two related dependencies
/// may share one.
fn without_reason(manifest: &str) -> Vec<&str> {
    let (mut is_list, mut since_comment, mut found) = (false, usize::MAX, vec![]);
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_list = line.ends_with("dependencies]");
            since_comment = usize::MAX;
        } else if line.starts_with('#') {
            since_comment = 0;
        } else if line.trim().is_empty() {
            since_comment = usize::MAX;
        } else if is_list {
            since_comment = since_comment.saturating_add(1);
            found.extend(Some(line).filter(|_| since_comment > 2));
        }
    }
    found
}

#[test]
fn each_dependency_has_its_reason() {
    assert_eq!(without_reason(MANIFEST), Vec::<&str>::new());
    let bad = "[dependencies]\na = \"1\"\n# why\nb = \"1\"\nc = \"1\"\nd = \"1\"\n\ne = \"1\"\n";
    assert_eq!(without_reason(bad), ["a = \"1\"", "d = \"1\"", "e = \"1\""]);
    assert_eq!(without_reason("[package]\nname = \"x\"\n"), Vec::<&str>::new());
}
