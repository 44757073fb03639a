//! Contents that nobody came to name, and packs that were torn.

use super::support::*;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

fn octets(dir: &Path) -> u64 {
    std::fs::read_dir(dir.join("blobs")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn what_was_kept_and_never_named_is_not_appended_twice() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).keep(vec![raw(1), raw(2)]).await.unwrap();
    let before = octets(dir.path());
    let store = open(dir.path());
    take_in(&store, 1).await;
    assert_eq!(octets(dir.path()), before);
    assert_eq!(store.blob(crate::store::blobs::name(&raw(2)).id).await.unwrap(), Some(raw(2)));
    let report = store.verify(true).unwrap();
    assert_eq!((report.is_clean(), report.blobs, report.blobs_unnamed), (true, 2, 1), "{report}");
}

#[tokio::test]
async fn a_torn_tail_is_left_alone_and_nothing_behind_it_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    take_in(&open(dir.path()), 1).await;
    let pack = dir.path().join("blobs/00000001.pack");
    let whole = std::fs::read(&pack).unwrap();
    for tail in [whole[..30].to_vec(), whole[..whole.len() - 1].to_vec(), vec![0; 5000]] {
        OpenOptions::new().append(true).open(&pack).unwrap().write_all(&tail).unwrap();
        let store = open(dir.path());
        take_in(&store, 2).await;
        take_in(&store, 3).await;
        assert_clean(&store);
        drop(store);
        let torn = std::fs::read(&pack).unwrap();
        assert_eq!(torn.len(), whole.len() + tail.len(), "nothing is cut off");
        assert!(dir.path().join("blobs/00000002.pack").exists());
        std::fs::write(&pack, &whole).unwrap();
    }
}

#[tokio::test]
async fn an_entry_whose_content_is_wrong_is_not_staged() {
    let dir = tempfile::tempdir().unwrap();
    take_in(&open(dir.path()), 1).await;
    let pack = dir.path().join("blobs/00000001.pack");
    let before = std::fs::metadata(&pack).unwrap().len();
    open(dir.path()).keep(vec![raw(2)]).await.unwrap();
    let mut octets = std::fs::read(&pack).unwrap();
    assert!(octets.len() as u64 > before);
    *octets.last_mut().unwrap() ^= 1;
    std::fs::write(&pack, octets).unwrap();
    let store = open(dir.path());
    assert_eq!(store.blob(crate::store::blobs::name(&raw(2)).id).await.unwrap(), None);
    take_in(&store, 2).await;
    assert_clean(&store);
}
