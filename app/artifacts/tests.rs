use super::*;
use tempfile::TempDir;

fn open() -> (Artifacts, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Artifacts::open(dir.path()).unwrap(), dir)
}

fn files(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

#[tokio::test]
async fn a_file_is_stored_once_under_its_digest() {
    let (artifacts, dir) = open();
    for body in [vec![], vec![7; 10], vec![3; 3 * PART_BYTES + 1]] {
        let path = dir.path().join("model");
        std::fs::write(&path, &body).unwrap();
        let (digest, bytes) = artifacts.put_file(&path).await.unwrap();
        assert_eq!((&digest, bytes), (&Digest::of(&body), body.len() as u64));
        let again = artifacts.put_file(&path).await.unwrap();
        assert_eq!(again.0, digest);
        let place = artifacts.path_of(&digest).unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), body);
        let (first, rest) = digest.hex().split_at(2);
        assert!(place.ends_with(format!("artifacts/sha256/{first}/{rest}")));
    }
    assert_eq!(files(&dir.path().join("artifacts")), 3);
}

#[tokio::test]
async fn bytes_are_read_back_and_damage_is_seen() {
    let (artifacts, _dir) = open();
    let digest = artifacts
        .put_bytes(Bytes::from_static(b"abc"))
        .await
        .unwrap();
    assert!(artifacts.has(&digest).await.unwrap());
    assert_eq!(artifacts.read(&digest, 3).await.unwrap(), "abc");
    assert!(artifacts.read(&digest, 2).await.is_err());
    let (size, mut parts) = artifacts.open_stream(&digest).await.unwrap();
    assert_eq!(size, 3);
    assert_eq!(parts.next().await.unwrap().unwrap(), "abc");
    std::fs::write(artifacts.path_of(&digest).unwrap(), "abd").unwrap();
    let error = artifacts.read(&digest, 3).await.unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert!(!artifacts.uri(&digest).contains("tmp"));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (artifacts, dir) = open();
    let digest = Digest::of(b"nothing");
    assert!(!artifacts.has(&digest).await.unwrap());
    assert!(artifacts.read(&digest, 9).await.is_err());
    assert!(artifacts.put_file(&dir.path().join("none")).await.is_err());
}

#[tokio::test]
async fn unfinished_files_are_removed_at_the_next_start() {
    let (artifacts, dir) = open();
    let digest = artifacts
        .put_bytes(Bytes::from_static(b"abc"))
        .await
        .unwrap();
    let left = dir.path().join("artifacts/staging/left");
    std::fs::write(&left, "half").unwrap();
    let artifacts = Artifacts::open(dir.path()).unwrap();
    assert!(!left.exists());
    assert!(artifacts.has(&digest).await.unwrap());
}

#[tokio::test]
async fn old_bytes_are_removed_and_those_stored_again_are_not() {
    let (artifacts, dir) = open();
    assert_eq!(artifacts.list().await.unwrap(), []);
    let path = dir.path().join("model");
    std::fs::write(&path, "abc").unwrap();
    let (file, _) = artifacts.put_file(&path).await.unwrap();
    let bytes = artifacts.put_bytes(Bytes::from_static(b"d")).await.unwrap();
    let age = |digest: &Digest| {
        let file = std::fs::File::open(artifacts.path_of(digest).unwrap()).unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        file.set_modified(old).unwrap();
    };
    let listed = artifacts.list().await.unwrap();
    let mut sizes: Vec<u64> = listed.iter().map(|one| one.bytes).collect();
    sizes.sort();
    assert_eq!(sizes, [1, 3]);
    for digest in [&file, &bytes] {
        assert!(!artifacts.remove(digest, 100_001).await.unwrap());
        age(digest);
        assert!(!artifacts.remove(digest, 100_000).await.unwrap());
    }
    artifacts.put_file(&path).await.unwrap();
    assert!(!artifacts.remove(&file, 100_001).await.unwrap());
    artifacts.put_bytes(Bytes::from_static(b"d")).await.unwrap();
    assert!(!artifacts.remove(&bytes, 100_001).await.unwrap());
    age(&file);
    assert!(artifacts.remove(&file, 100_001).await.unwrap());
    assert!(!artifacts.remove(&file, 100_001).await.unwrap());
    assert!(!artifacts.has(&file).await.unwrap());
    assert!(artifacts.has(&bytes).await.unwrap());
    artifacts.put_file(&path).await.unwrap();
    assert!(artifacts.has(&file).await.unwrap());
}
