//! Pictures of all kinds, whole and broken, and what is made of them.

use std::{io::Cursor, time::Instant};

use dunlin_store::{NoPreview, PIXELS, Preview, Previews, SIDE, preview};
use image::{
    DynamicImage, Frame, GenericImageView as _, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage, codecs::gif::GifEncoder,
};

/// A picture whose left half is red and whose right half is blue, with a white top row.
pub(crate) fn halves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| match (y * 8 < height, x * 2 < width) {
        (true, _) => Rgb([255, 255, 255]),
        (false, true) => Rgb([255, 0, 0]),
        (false, false) => Rgb([0, 0, 255]),
    })
}

pub(crate) fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The EXIF of a camera that was held so, and that knows where it was: big-endian, as telephones write it.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x02".to_vec();
    exif.extend([1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    // Make: text of 12 bytes behind the directory, at 8 + 2 + 2 * 12 + 4.
    exif.extend([1, 0x0f, 0, 2, 0, 0, 0, 12, 0, 0, 0, 38, 0, 0, 0, 0]);
    exif.extend(b"SECRET PLACE");
    exif
}

/// A JPEG with an EXIF segment behind its beginning.
pub(crate) fn held(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let exif = [b"Exif\0\0".to_vec(), exif(orientation)].concat();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

fn opened(preview: &Preview) -> DynamicImage {
    image::load_from_memory(&preview.bytes).unwrap()
}

/// The colour at so many percent of the width and height, roughly: `w`, `r`, `b`, or `-` for what is seen through.
fn colour(picture: &DynamicImage, x: u32, y: u32) -> char {
    let Rgba([red, _, blue, alpha]) =
        picture.get_pixel((picture.width() - 1) * x / 100, (picture.height() - 1) * y / 100);
    match (alpha > 128, red > 128, blue > 128) {
        (false, ..) => '-',
        (true, true, true) => 'w',
        (true, true, false) => 'r',
        (true, false, _) => 'b',
    }
}

#[test]
fn each_kind_is_made_small() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
        let made = preview(&encoded(halves(1_600, 800), format)).unwrap();
        assert_eq!((made.width, made.height, made.mime), (1_600, 800, "image/jpeg"), "{format:?}");
        let small = opened(&made);
        assert_eq!((small.width(), small.height()), (SIDE, SIDE / 2));
        assert_eq!([(50, 2), (10, 50), (90, 50)].map(|(x, y)| colour(&small, x, y)), ['w', 'r', 'b'], "{format:?}");
        assert!(
            made.bytes.len() < 20_000 && (5..=25).contains(&made.hash.len()),
            "{} {:?}",
            made.bytes.len(),
            made.hash
        );
    }
}

#[test]
fn what_is_small_stays_so() {
    let made = preview(&encoded(halves(3, 2), ImageFormat::Png)).unwrap();
    assert_eq!((opened(&made).width(), opened(&made).height(), made.width, made.height), (3, 2, 3, 2));
    let thin = preview(&encoded(halves(20_000, 1), ImageFormat::Png)).unwrap();
    assert_eq!((opened(&thin).width(), opened(&thin).height(), thin.height), (SIDE, 1, 1));
}

#[test]
fn what_is_seen_through_stays_so() {
    let picture = RgbaImage::from_fn(640, 640, |x, _| Rgba([255, 0, 0, if x < 320 { 0 } else { 255 }]));
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
        let made = preview(&encoded(picture.clone(), format)).unwrap();
        assert_eq!(made.mime, "image/png", "{format:?}");
        assert_eq!([10, 90].map(|x| colour(&opened(&made), x, 50)), ['-', 'r'], "{format:?}");
    }
    let opaque = RgbaImage::from_pixel(10, 10, Rgba([255, 0, 0, 255]));
    assert_eq!(preview(&encoded(opaque, ImageFormat::Png)).unwrap().mime, "image/jpeg");
}

#[test]
fn it_is_shown_the_right_way_up() {
    let jpeg = encoded(halves(800, 400), ImageFormat::Jpeg);
    // Where the white edge and the red half are, for each way to hold a camera (EXIF 2.3, 4.6.4).
    let ways = [
        (1, (50, 2), (10, 50)),
        (2, (50, 2), (90, 50)),
        (3, (50, 98), (90, 50)),
        (4, (50, 98), (10, 50)),
        (5, (2, 50), (50, 10)),
        (6, (98, 50), (50, 10)),
        (7, (98, 50), (50, 90)),
        (8, (2, 50), (50, 90)),
    ];
    for (orientation, white, red) in ways {
        let made = preview(&held(&jpeg, orientation)).unwrap();
        let sides = if orientation < 5 { (800, 400) } else { (400, 800) };
        assert_eq!((made.width, made.height), sides, "{orientation}");
        let small = opened(&made);
        assert_eq!(small.width() > small.height(), orientation < 5, "{orientation}");
        assert_eq!((colour(&small, white.0, white.1), colour(&small, red.0, red.1)), ('w', 'r'), "{orientation}");
        assert!(!made.bytes.windows(6).any(|window| window == b"SECRET"), "nothing of where it was taken");
    }
}

/// A PNG of one colour, of any size, as short as can be: the rows are never made.
fn claims(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encoded(RgbImage::new(1, 1), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The checksum of a PNG's chunk (RFC 2083, 15).
fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}

#[test]
fn bombs_cost_nothing() {
    let begun = Instant::now();
    let bomb = preview(&claims(60_000, 60_000));
    assert_eq!(bomb, Err(NoPreview::TooLarge { sides: Some((60_000, 60_000)) }));
    assert!(matches!(
        preview(&claims(u32::MAX >> 1, u32::MAX >> 1)),
        Err(NoPreview::TooLarge { .. } | NoPreview::Broken(_))
    ));
    let wide = u32::try_from(PIXELS).unwrap() + 1;
    assert_eq!(preview(&claims(wide, 1)), Err(NoPreview::TooLarge { sides: Some((wide, 1)) }));

    // A JPEG's header is believed as little: 65,500 x 65,500.
    let mut jpeg = encoded(halves(16, 16), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|window| window == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    assert_eq!(preview(&jpeg), Err(NoPreview::TooLarge { sides: Some((65_500, 65_500)) }));

    let mut film = Vec::new();
    let frames = (0..10_000).map(|_| Frame::new(RgbaImage::from_pixel(8, 8, Rgba([255, 0, 0, 255]))));
    GifEncoder::new_with_speed(&mut film, 30).encode_frames(frames).unwrap();
    let made = Instant::now();
    assert_eq!(preview(&film).unwrap().width, 8);
    assert!(made.elapsed().as_millis() < 100 && begun.elapsed().as_secs() < 20, "{:?}", made.elapsed());
}

#[test]
fn what_is_no_picture_has_none() {
    for bytes in [&b""[..], b"hello", b"%PDF-1.7", b"<svg/>", b"BM", b"II*\0"] {
        assert_eq!(preview(bytes), Err(NoPreview::Unknown), "{bytes:?}");
    }
    let long = [encoded(halves(2, 2), ImageFormat::Png), vec![0; 33 << 20]].concat();
    assert_eq!(preview(&long), Err(NoPreview::TooLarge { sides: None }));
}

#[test]
fn what_is_broken_is_told() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
        let whole = encoded(halves(64, 64), format);
        for length in (0..whole.len() - 8).step_by(7) {
            // A JPEG that is cut shows what there is.
            let made = preview(&whole[..length]);
            assert!(made.is_err() || format == ImageFormat::Jpeg, "{format:?} cut at {length}: {made:?}");
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]
    #[test]
    fn no_bytes_end_the_process(format in 0..4_usize, changes in proptest::collection::vec((0..4_000_usize, 0_u8..), 1..20)) {
        let format = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif][format];
        let mut bytes = encoded(halves(40, 30), format);
        for (place, byte) in changes {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        if let Ok(made) = preview(&bytes) {
            assert!(made.width > 0 && made.height > 0 && opened(&made).width() <= SIDE);
        }
    }
}

#[tokio::test]
async fn previews_wait_for_their_turn() {
    let (previews, file) = (Previews::new(1), encoded(halves(800, 800), ImageFormat::Png));
    let all = futures_util::future::join_all((0..8).map(|_| previews.make(file.clone().into()))).await;
    assert!(all.iter().all(Result::is_ok));
}
