//! What is left of pictures that told where they were taken.

use dunlin_store::{BrokenPicture, preview, strip_metadata};
use image::{ImageFormat, ImageReader};

use crate::preview::{encoded, exif, halves, held};

/// Words that stand in what has to go.
const SECRET: &[u8] = b"SECRET";

fn tells(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET)
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], &length[..], content].concat()
}

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    // Readers of what has to go anyway do not look at its checksum.
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], kind, content, &[0; 4]].concat()
}

fn riff(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [kind, &u32::try_from(content.len()).unwrap().to_le_bytes()[..], content, &vec![0; content.len() % 2]].concat()
}

/// The same picture, telling everything there is a way to tell, held as a camera that was turned.
fn talkative(format: ImageFormat) -> Vec<u8> {
    let plain = encoded(halves(80, 40), format);
    if format == ImageFormat::Jpeg {
        let segments = [
            segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0SECRET"),
            segment(0xe2, b"MPF\0SECRET"),
            segment(0xed, b"Photoshop 3.0\0SECRET"),
            segment(0xfe, b"SECRET"),
            segment(0xe2, b"ICC_PROFILE\0\x01\x01profile"),
        ];
        let held = held(&plain, 6);
        // Behind its end another picture, as telephones do.
        [&held[..2], &segments.concat(), &held[2..], &held, SECRET].concat()
    } else if format == ImageFormat::Png {
        let (head, rest) = plain.split_at(33);
        let text = [chunk(b"tEXt", b"Comment\0SECRET"), chunk(b"tIME", b"SECRET1"), chunk(b"eXIf", &exif(6))].concat();
        [head, &text, rest, SECRET].concat()
    } else {
        let extended = riff(b"VP8X", &[0x0c, 0, 0, 0, 79, 0, 0, 39, 0, 0]);
        let more = [riff(b"EXIF", &exif(6)), riff(b"XMP ", b"SECRET!"), riff(b"OWN ", SECRET)].concat();
        let content = [b"WEBP", &extended[..], &plain[12..], &more].concat();
        [riff(b"RIFF", &content), SECRET.to_vec()].concat()
    }
}

#[test]
fn only_pixels_and_their_place_are_left() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let talkative = talkative(format);
        assert!(tells(&talkative));
        let stripped = strip_metadata(&talkative).unwrap().unwrap();
        assert!(!tells(&stripped), "{format:?} tells");
        let pixels = |bytes: &[u8]| image::load_from_memory_with_format(bytes, format).unwrap().into_rgb8();
        assert!(pixels(&stripped) == pixels(&encoded(halves(80, 40), format)), "{format:?}");
        let shown = preview(&stripped).unwrap();
        assert_eq!((shown.width, shown.height), (40, 80), "{format:?} is still turned");
        assert_eq!(strip_metadata(&stripped).unwrap().unwrap(), stripped, "{format:?} stripped once is stripped");
    }
    let jpeg = strip_metadata(&talkative(ImageFormat::Jpeg)).unwrap().unwrap();
    assert!(jpeg.windows(7).any(|window| window == b"profile"), "its colours' profile stays");
}

#[test]
fn what_tells_nothing_stays_as_it_is() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let plain = encoded(halves(80, 40), format);
        assert_eq!(strip_metadata(&plain).unwrap().unwrap(), plain, "{format:?}");
    }
    for other in [encoded(halves(8, 8), ImageFormat::Gif), b"hello".to_vec(), Vec::new()] {
        assert_eq!(strip_metadata(&other), Ok(None));
    }
}

#[test]
fn what_is_cut_is_broken() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let plain = encoded(halves(80, 40), format);
        for length in 12..plain.len() {
            assert_eq!(strip_metadata(&plain[..length]), Err(BrokenPicture), "{format:?} cut at {length}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn what_is_stripped_of_anything_is_still_the_same_kind(
        format in 0..3_usize,
        changes in proptest::collection::vec((0..2_000_usize, 0_u8..), 1..10),
    ) {
        let format = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP][format];
        let mut bytes = talkative(format);
        for (place, byte) in changes {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        if let Ok(Some(stripped)) = strip_metadata(&bytes) {
            assert_eq!(strip_metadata(&stripped).unwrap().unwrap(), stripped);
            let guessed = ImageReader::new(std::io::Cursor::new(&stripped[..])).with_guessed_format().unwrap();
            assert_eq!(guessed.format(), Some(format));
        }
    }
}
