//! The one thing that is read of EXIF and written in it: how the camera was held (EXIF 2.3, 4.6.4; TIFF 6.0, section 2).

/// The tag of the orientation.
const ORIENTATION: u16 = 0x112;

/// How the camera was held, 1 to 8, where a TIFF header with its first directory says so.
pub(crate) fn orientation(exif: &[u8]) -> Option<u8> {
    let big = match exif.first_chunk()? {
        b"MM\0\x2a" => true,
        b"II\x2a\0" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = *exif.get(at..)?.first_chunk()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let bytes = *exif.get(4..)?.first_chunk()?;
    let directory = if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
    let directory = usize::try_from(directory).ok()?;
    let first = directory.checked_add(2)?;
    let entries = 0..usize::from(short(directory)?);
    let entry = entries.map(|entry| first.saturating_add(12 * entry)).find(|at| short(*at) == Some(ORIENTATION))?;
    short(entry.checked_add(8)?).and_then(|held| u8::try_from(held).ok()).filter(|held| (1..=8).contains(held))
}

/// An EXIF that says how the camera was held, and nothing else.
pub(crate) fn with(orientation: u8) -> [u8; 26] {
    let mut exif = *b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    exif[19] = orientation;
    exif
}

#[test]
fn what_is_written_is_read() {
    for held in 1..=8 {
        assert_eq!(orientation(&with(held)), Some(held));
        let little = [&b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[held, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(orientation(&little), Some(held));
        for length in 0..20 {
            assert_eq!(orientation(&little[..length.min(19)]), None, "cut at {length}");
        }
    }
    for wrong in [&with(0)[..], &with(9), b"", b"MM\0\x2a\xff\xff\xff\xff", b"II\x2a\0\x08\0\0\0\xff\xff"] {
        assert_eq!(orientation(wrong), None);
    }
}
