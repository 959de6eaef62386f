//! Files of keys and secrets.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{pair, settings};
use qmsg::files::PrivateFileError;
use qmsg::quic::{Identity, IdentityError, Listener, Secrets, SecretsError};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_saved_key_keeps_its_pin() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    let made = Identity::create(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(names(directory.path()), ["key.pem"]);
    assert_eq!(Identity::load(&path).unwrap().pin(), made.pin());
    assert_eq!(Identity::load_or_create(&path).unwrap().pin(), made.pin());
    assert_ne!(Identity::generate().unwrap().pin(), made.pin());
}

#[test]
fn making_a_key_never_replaces_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    fs::write(&path, "mine").unwrap();
    let error = Identity::create(&path).unwrap_err();
    assert!(matches!(error, IdentityError::File(PrivateFileError::Exists { .. })), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    assert_eq!(names(directory.path()), ["key.pem"]);
}

#[test]
fn of_many_that_make_a_key_at_once_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    let pins: Vec<_> = std::thread::scope(|scope| {
        let make = || Identity::load_or_create(&path).unwrap().pin();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(pins.iter().all(|pin| *pin == pins[0]));
    assert_eq!(names(directory.path()), ["key.pem"]);
}

#[test]
fn a_key_that_others_can_open_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    Identity::create(&path).unwrap();
    for bits in [0o640, 0o604, 0o660, 0o644] {
        fs::set_permissions(&path, Permissions::from_mode(bits)).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert!(matches!(error, IdentityError::File(PrivateFileError::Exposed { .. })), "{bits:o}");
        let text = error.to_string();
        assert!(text.contains(&format!("chmod 600 {}", path.display())), "{text}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    Identity::load(&path).unwrap();
}

#[test]
fn files_that_are_no_keys_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_pem();
    let cut = key.replace("MF", "MA").replace("MC", "MA");
    for bytes in ["", "key", "-----BEGIN PRIVATE KEY-----\n", &cut, &key[..key.len() / 2]] {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert!(matches!(error, IdentityError::NotAKey { .. }), "{bytes:?}: {error}");
    }
    let missing = Identity::load(&directory.path().join("other.pem")).unwrap_err();
    assert!(matches!(missing, IdentityError::File(error) if error.is_not_found()));
}

#[tokio::test]
async fn an_operators_certificate_is_shown_and_pinned_by_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("c.pem"), directory.path().join("k.pem"));
    let pair_of_keys = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let params = rcgen::CertificateParams::new(vec!["qmsg.example".into()]).unwrap();
    let leaf = params.self_signed(&pair_of_keys).unwrap();
    // A chain: certificates after the leaf are sent and not checked.
    fs::write(&certificate, leaf.pem() + &leaf.pem()).unwrap();
    fs::write(&key, pair_of_keys.serialize_pem()).unwrap();
    let mut server = settings("127.0.0.1:0");
    server.identity = Identity::from_certificate(&certificate, &key).unwrap();
    let listener = Listener::bind(&server).unwrap();
    let (_, client) = pair(&listener).await;
    assert_eq!(client.pin(), server.identity.pin());

    fs::write(&key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let mismatch = Identity::from_certificate(&certificate, &key).unwrap_err();
    assert!(matches!(mismatch, IdentityError::Certificate { .. }), "{mismatch}");
    fs::write(&certificate, "").unwrap();
    let empty = Identity::from_certificate(&certificate, &key).unwrap_err();
    assert!(matches!(empty, IdentityError::Pem { .. }), "{empty}");
}

#[test]
fn secrets_are_saved_and_must_be_private() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    Secrets::load_or_create(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!((bytes.len(), mode(&path)), (72, 0o600));
    Secrets::load_or_create(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);

    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let exposed = Secrets::load_or_create(&path).err().unwrap();
    assert!(matches!(exposed, SecretsError::File(PrivateFileError::Exposed { .. })));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    for length in [0, 71, 73] {
        fs::write(&path, vec![1; length]).unwrap();
        let damaged = Secrets::load_or_create(&path).err().unwrap();
        assert!(matches!(damaged, SecretsError::Damaged { .. }));
    }
}
