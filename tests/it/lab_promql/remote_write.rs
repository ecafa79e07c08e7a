//! Prometheus' remote write, version 1: samples as protocol buffers in snappy's block format. Unlike a
//! backfill from text it can carry staleness markers.

use super::data::Series;

/// The samples as bodies of requests, each of a stretch of `stretch_ms`, in the order of time.
pub fn requests(series: &[Series], stretch_ms: i64) -> Vec<Vec<u8>> {
    let times = || series.iter().flat_map(|s| s.samples.iter().map(|(time, _)| *time));
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Vec::new() };
    let starts = (0..).map(|i| first + i * stretch_ms).take_while(|start| *start <= last);
    starts.map(|start| snappy(&write_request(series, start, start + stretch_ms))).collect()
}

fn write_request(series: &[Series], from: i64, to: i64) -> Vec<u8> {
    let mut request = Vec::new();
    for one in series {
        let mut message = Vec::new();
        for (name, value) in &one.labels {
            let mut label = Vec::new();
            bytes(&mut label, 1, name.as_bytes());
            bytes(&mut label, 2, value.as_bytes());
            bytes(&mut message, 1, &label);
        }
        let samples = one.samples.iter().filter(|(time, _)| (from..to).contains(time));
        let mut any = false;
        for (time, value) in samples {
            let mut sample = vec![1 << 3 | 1];
            sample.extend(value.to_bits().to_le_bytes());
            sample.push(2 << 3);
            varint(&mut sample, time.cast_unsigned());
            bytes(&mut message, 2, &sample);
            any = true;
        }
        if any {
            bytes(&mut request, 1, &message);
        }
    }
    request
}

/// A field of known length.
fn bytes(out: &mut Vec<u8>, field: u8, content: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// A valid block without any compression: all literals.
fn snappy(content: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    varint(&mut block, content.len() as u64);
    for chunk in content.chunks(1 << 16) {
        // 61: the length, less one, follows in two bytes.
        block.push(61 << 2);
        block.extend(u16::try_from(chunk.len() - 1).unwrap().to_le_bytes());
        block.extend_from_slice(chunk);
    }
    block
}
