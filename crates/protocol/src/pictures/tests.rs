//! PNG files against Pillow, and hostile ones.

use hyaline_model::ImageKind;
use serde_json::Value;

use super::decode::{from_png, from_text};
use super::{base64, overlay, segmentation};

fn kind(extents: [u32; 3], black: f32, white: f32) -> ImageKind {
    let [channels, height, width] = extents;
    ImageKind {
        height,
        width,
        channels,
        channels_first: true,
        black: vec![black; channels as usize],
        white: vec![white; channels as usize],
    }
}

fn fixture() -> Vec<Value> {
    let path = format!(
        "{}/../../tests/fixtures/images/pictures.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let file: Value =
        serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON");
    file["cases"].as_array().expect("cases").clone()
}

#[test]
fn pictures_of_every_kind_are_read_as_pillow_reads_them() {
    for case in fixture() {
        let extent = |at: usize| case["extents"][at].as_u64().expect("an extent") as u32;
        let kind = kind([extent(0), extent(1), extent(2)], 2.0, 18.0);
        let text = case["png"].as_str().expect("base64");
        let found = from_text(text, &kind).expect("a picture");
        let url = format!("data:image/png;base64,{text}");
        assert_eq!(from_text(&url, &kind).as_ref(), Ok(&found), "a data URL");
        let expected = case["shades"].as_array().expect("shades");
        assert_eq!(found.len(), expected.len());
        for (at, (found, shade)) in found.iter().zip(expected).enumerate() {
            let expected = 2.0 + 16.0 * shade.as_f64().expect("a number");
            assert!(
                (f64::from(*found) - expected).abs() < 2e-5,
                "{}, number {at}: {found}, expected {expected}",
                case["name"]
            );
        }
    }
}

#[test]
fn channels_stand_last_where_the_model_has_them_there() {
    let case = &fixture()[2];
    let text = case["png"].as_str().expect("base64");
    let first = kind([3, 8, 8], 0.0, 1.0);
    let last = ImageKind {
        channels_first: false,
        ..first.clone()
    };
    let (first, last) = (from_text(text, &first), from_text(text, &last));
    let (first, last) = (first.expect("a picture"), last.expect("a picture"));
    for pixel in 0..64 {
        for channel in 0..3 {
            assert_eq!(first[channel * 64 + pixel], last[pixel * 3 + channel]);
        }
    }
}

#[test]
fn broken_files_are_refused_in_words() {
    let kind = kind([1, 8, 8], 0.0, 1.0);
    let sound = base64::decoded(fixture()[0]["png"].as_str().expect("base64")).expect("base64");
    let refused = |bytes: &[u8]| from_png(bytes, &kind).expect_err("a refusal");
    assert_eq!(
        refused(b"GIF89a"),
        "no PNG file: it does not start with the signature of one"
    );
    assert_eq!(
        refused(b"\xff\xd8\xff\xe0"),
        "a JPEG file; this function reads PNG, convert it"
    );
    for length in 8..sound.len() - 12 {
        assert!(
            refused(&sound[..length]).starts_with("a broken PNG file: "),
            "{length} bytes"
        );
    }
    // Every damaged byte is refused or harmless, and none panics.
    for at in 8..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x55;
        let _ = from_png(&damaged, &kind);
    }
    assert_eq!(
        from_text("data:image/jpeg;base64,AAAA", &kind),
        Err("a data URL of `image/jpeg`; expected `data:image/png;base64,…`".to_owned())
    );
    assert_eq!(
        from_text("a cat", &kind),
        Err(
            "a text that is no base64; expected a PNG file in base64 or a data URL of one"
                .to_owned()
        )
    );
}

#[test]
fn a_small_file_cannot_claim_a_large_picture() {
    // An 8-bit grey picture of 65535 by 65535 pixels without any.
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = b"IHDR".to_vec();
    chunk.extend([0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 8, 0, 0, 0, 0]);
    file.extend(13u32.to_be_bytes());
    file.extend(&chunk);
    file.extend(crc32(&chunk).to_be_bytes());
    file.extend([0, 0, 0, 0]);
    file.extend(b"IDAT");
    file.extend(crc32(b"IDAT").to_be_bytes());
    let refused = from_png(&file, &kind([1, 8, 8], 0.0, 1.0)).expect_err("a refusal");
    assert_eq!(
        refused,
        "a picture of 65535x65535 pixels; at most 4194304 pixels are read, make it smaller"
    );
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, &byte: &u8| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            sum >> 1 ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[test]
fn a_drawing_is_red_where_values_are_high_and_blue_where_low() {
    let picture =
        hyaline_explain::Picture::new(&kind([1, 2, 2], 0.0, 1.0), vec![0.0, 0.0, 1.0, 1.0]);
    let file = overlay::overlay(&picture, &[1.0, -1.0, 0.0, 0.5]);
    let drawn = from_png(&file, &kind([3, 256, 256], 0.0, 255.0)).expect("a PNG file");
    let at =
        |y: usize, x: usize| [0, 1, 2].map(|channel| drawn[(channel * 256 + y) * 256 + x].round());
    assert_eq!(at(0, 0), [173.0, 41.0, 42.0]);
    assert_eq!(at(100, 200), [35.0, 101.0, 147.0]);
    assert_eq!(at(200, 100), [239.0, 239.0, 239.0]);
    assert_eq!(at(255, 255), [230.0, 164.0, 164.0]);
}

#[test]
fn segmentations_have_names() {
    use hyaline_explain::Segmentation::{Grid, Slic};
    assert_eq!(segmentation("grid:4x3"), Some(Grid(4, 3)));
    assert_eq!(segmentation("slic:50"), Some(Slic(50)));
    for text in ["grid", "grid:4", "grid:4x", "slic:-1", "quickshift:3", ""] {
        assert_eq!(segmentation(text), None, "{text}");
    }
}
