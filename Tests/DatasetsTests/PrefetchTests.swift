import Datasets
import Synchronization
import Testing

/// Counts what is asked of it; picture 3 is broken; earlier pictures take longer.
private final class CountingPictures: PictureSource {
  let count: Int
  let shape = PictureShape(channels: 1, height: 1, width: 1)
  let provenance = ["counting"]
  let asked = Mutex<[Int]>([])
  let delay: Bool

  init(count: Int, delay: Bool = false) {
    self.count = count
    self.delay = delay
  }

  func sample(at index: Int) throws(DatasetError) -> PictureSample {
    asked.withLock { $0.append(index) }
    if delay {
      var state = UInt64(index)
      for _ in 0..<(index % 2 == 0 ? 200_000 : 10) {
        state = state &* 6_364_136_223_846_793_005 &+ 1
      }
      if state == 0 { return try sample(at: index) }
    }
    if index == 3 { throw DatasetError(.corrupt, "picture 3", "is broken") }
    return PictureSample(index: index, id: "\(index)", label: nil, pixels: [0.5], shape: shape)
  }
}

@Suite struct `Prefetched pictures` {
  private static func place(_ result: Result<PictureSample, DatasetError>) -> Int {
    switch result {
    case .success(let sample): sample.index
    case .failure(let error): error.subject == "picture 3" ? -3 : -1
    }
  }

  @Test(arguments: [(1, 1), (2, 3), (7, 4), (100, 2)])
  func `come in order, an error at its place`(lookAhead: Int, workers: Int) async {
    let source = CountingPictures(count: 40, delay: true)
    var places: [Int] = []
    for await result in PrefetchedPictures(source, lookAhead: lookAhead, workers: workers) {
      places.append(Self.place(result))
    }
    #expect(places == (0..<40).map { $0 == 3 ? -3 : $0 })
    #expect(source.asked.withLock { $0.sorted() } == Array(0..<40))
  }

  @Test func `come in any order that is asked for, blocking`() {
    let source = CountingPictures(count: 10)
    let prefetcher = PicturePrefetcher(source, indices: [7, 3, 0, 7], lookAhead: 2)
    var places: [Int] = []
    while let result = prefetcher.waitForNext() { places.append(Self.place(result)) }
    #expect(places == [7, -3, 0, 7])
    #expect(prefetcher.waitForNext() == nil)
  }

  @Test func `are not decoded further ahead than allowed`() async {
    let source = CountingPictures(count: 1000)
    let prefetcher = PicturePrefetcher(source, lookAhead: 5, workers: 2)
    for taken in 1...20 {
      _ = await prefetcher.next()
      #expect(source.asked.withLock { $0.count } <= taken + 5)
    }
  }

  @Test func `of an empty source end at once`() async {
    var iterator = PrefetchedPictures(CountingPictures(count: 0)).makeAsyncIterator()
    let first = await iterator.next()
    #expect(first == nil)
  }
}
