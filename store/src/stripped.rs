//! A picture without what it tells beside its pixels: where it was taken, when, with what, by whom, and what else was put behind its end.
//!
//! The pixels stay as they are, bit by bit. What is needed to show them right stays: the colours' profile, and how the camera was held.

use bytes::Bytes;

use crate::exif;

/// A picture that can't be taken apart, so that nobody knows what it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the picture is broken")]
pub struct BrokenPicture;

/// A JPEG, PNG or WebP without its metadata; `None` for anything else, which is not taken apart.
///
/// # Errors
///
/// Where it begins as one of these and does not go on so.
pub fn strip_metadata(file: &[u8]) -> Result<Option<Bytes>, BrokenPicture> {
    let stripped = match file {
        [0xff, 0xd8, 0xff, ..] => jpeg(file),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => png(file),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp(file),
        _ => return Ok(None),
    };
    stripped.map(|bytes| Some(bytes.into())).ok_or(BrokenPicture)
}

/// Segments up to the end of the picture (ITU-T T.81, annex B). What stands behind it goes, such as the
/// films and further pictures of telephones.
fn jpeg(file: &[u8]) -> Option<Vec<u8>> {
    let mut kept = vec![0xff, 0xd8];
    let mut rest = file.get(2..)?;
    let mut orientation = None;
    loop {
        // Any number of 0xff may stand before a marker.
        let fill = rest.iter().take_while(|byte| **byte == 0xff).count();
        let marker = *rest.get(fill).filter(|_| fill > 0)?;
        rest = &rest[fill + 1..];
        match marker {
            0xd9 => {
                kept.extend([0xff, 0xd9]);
                return Some(kept);
            }
            // Markers that stand alone.
            0x01 | 0xd0..=0xd7 => kept.extend([0xff, marker]),
            _ => {
                let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
                let segment = rest.get(..length).filter(|_| length >= 2)?;
                rest = &rest[length..];
                if let Some(exif) = segment[2..].strip_prefix(b"Exif\0\0").filter(|_| marker == 0xe1) {
                    orientation = orientation.or(exif::orientation(exif));
                } else if stays(marker, &segment[2..]) {
                    kept.extend([0xff, marker]);
                    kept.extend(segment);
                }
                // Its place is behind the segments that tell of the file, and before those that tell of the pixels.
                if !(0xe0..=0xef).contains(&marker)
                    && marker != 0xfe
                    && let Some(orientation) = orientation.take().filter(|orientation| *orientation > 1)
                {
                    let place = kept.len() - segment.len() - 2;
                    let exif = [b"Exif\0\0", &exif::with(orientation)[..]].concat();
                    let length = u16::try_from(exif.len() + 2).ok()?.to_be_bytes();
                    let segment = [&[0xff, 0xe1], &length[..], &exif].concat();
                    kept.splice(place..place, segment);
                }
            }
        }
        if marker == 0xda {
            // What is coded, up to a marker that is neither a stuffed byte nor a restart.
            let mark = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
            let end = rest.windows(2).position(mark)?;
            kept.extend(&rest[..end]);
            rest = &rest[end..];
        }
    }
}

/// Whether a segment of a JPEG is needed to show it: no comment, and of what applications add JFIF's, the colours' profile and Adobe's.
fn stays(marker: u8, content: &[u8]) -> bool {
    match marker {
        0xe0 => content.starts_with(b"JFIF\0"),
        0xe2 => content.starts_with(b"ICC_PROFILE\0"),
        0xee => content.starts_with(b"Adobe"),
        0xe1 | 0xe3..=0xed | 0xef | 0xfe => false,
        _ => true,
    }
}

/// Chunks up to `IEND` (RFC 2083, 3.2). Those without which it can't be shown have a capital first.
fn png(file: &[u8]) -> Option<Vec<u8>> {
    const SHOWN: [&[u8; 4]; 13] = [
        b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"bKGD", b"pHYs", b"hIST", b"acTL", b"fcTL",
        b"fdAT",
    ];
    let (head, mut rest) = file.split_at_checked(8)?;
    let mut kept = head.to_vec();
    loop {
        let length = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
        let chunk = rest.get(..length.checked_add(12)?)?;
        let (kind, content) = (chunk[4..].first_chunk::<4>()?, &chunk[8..8 + length]);
        rest = &rest[chunk.len()..];
        if kind == b"eXIf" {
            if let Some(orientation) = exif::orientation(content).filter(|orientation| *orientation > 1) {
                let content = exif::with(orientation);
                let named = [b"eXIf", &content[..]].concat();
                kept.extend(u32::try_from(content.len()).ok()?.to_be_bytes());
                kept.extend(&named);
                kept.extend(crc(&named).to_be_bytes());
            }
        } else if kind[0].is_ascii_uppercase() || SHOWN.contains(&kind) {
            kept.extend(chunk);
        }
        if kind == b"IEND" {
            return Some(kept);
        }
    }
}

/// The checksum of a chunk (RFC 2083, 15).
fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}

/// The chunks that the file's header counts (RFC 9649). `VP8X` says in bits which others there are.
fn webp(file: &[u8]) -> Option<Vec<u8>> {
    const SHOWN: [&[u8; 4]; 7] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];
    const EXIF: u8 = 0x08;
    const XMP: u8 = 0x04;
    let length = usize::try_from(u32::from_le_bytes(*file[4..].first_chunk()?)).ok()?;
    let mut rest = file.get(12..length.checked_add(8)?)?;
    let mut kept = file[..12].to_vec();
    let mut held = None;
    while !rest.is_empty() {
        let (kind, length) = (rest.first_chunk::<4>()?, *rest.get(4..)?.first_chunk()?);
        let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let chunk = rest.get(..length.checked_add(8 + length % 2)?)?;
        let content = &chunk[8..8 + length];
        rest = &rest[chunk.len()..];
        if kind == b"EXIF" {
            held = exif::orientation(content.strip_prefix(b"Exif\0\0").unwrap_or(content)).filter(|held| *held > 1);
        } else if SHOWN.contains(&kind) {
            kept.extend(chunk);
        }
    }
    if kept.get(12..16)? == b"VP8X" {
        let bits = kept.get_mut(20)?;
        *bits &= !(EXIF | XMP);
        if let Some(orientation) = held {
            *bits |= EXIF;
            let content = exif::with(orientation);
            kept.extend(b"EXIF");
            kept.extend(u32::try_from(content.len()).ok()?.to_le_bytes());
            kept.extend(content);
        }
    }
    let length = u32::try_from(kept.len() - 8).ok()?;
    kept[4..8].copy_from_slice(&length.to_le_bytes());
    Some(kept)
}
