//! The secret of a folder: with it whoever opens the folder signs what clients may do with it, and the others know that.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// How long it is, in bytes.
const LENGTH: usize = 32;

/// The secret of the folder `root`, made where there is none: of several who make one at once all get the same.
pub(super) fn secret(root: &Path) -> io::Result<[u8; LENGTH]> {
    let path = root.join("secret");
    loop {
        match fs::read(&path) {
            Ok(bytes) => {
                let wrong = |_| {
                    io::Error::new(ErrorKind::InvalidData, format!("{} is no secret of {LENGTH} bytes", path.display()))
                };
                return bytes.try_into().map_err(wrong);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => make(root, &path)?,
            Err(error) => return Err(error),
        }
    }
}

/// Makes one that is there as a whole or not at all, unless somebody else has.
fn make(root: &Path, path: &Path) -> io::Result<()> {
    let begun = root.join("temporary").join(format!("secret-{:032x}", rand::random::<u128>()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&begun)?;
    file.write_all(&rand::random::<[u8; LENGTH]>())?;
    file.sync_all()?;
    let made = fs::hard_link(&begun, path);
    fs::remove_file(&begun)?;
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => super::sync(root),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, os::unix::fs::PermissionsExt, thread};

    use super::*;

    #[test]
    fn all_who_open_a_folder_have_one_secret_that_nobody_else_reads() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("temporary")).unwrap();
        let secrets: HashSet<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| secret(folder.path()).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(secrets.len(), 1);
        assert_ne!(secrets.into_iter().next(), Some([0; LENGTH]));
        let mode = fs::metadata(folder.path().join("secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path().join("temporary")).unwrap().count(), 0);
        fs::write(folder.path().join("secret"), b"short").unwrap();
        assert_eq!(secret(folder.path()).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
