/// Places for things that live in overlapping spans of time, in as little memory as a simple rule
/// gives: the largest first, each at the lowest place that nothing living at the same time occupies.
struct ArenaPlan {
  /// One thing to place.
  struct Request {
    /// Units of memory, for instance floats.
    var size: Int
    /// The first step that uses it.
    var start: Int
    /// The last step that uses it.
    var end: Int
  }

  /// Where a thing lies.
  struct Place: Hashable {
    /// Which of several buffers.
    var bin: Int
    /// Units from the buffer's start.
    var offset: Int
  }

  /// The places, in the order of the requests.
  let places: [Place]
  /// The sizes of the buffers.
  let binSizes: [Int]

  /// Plans.
  ///
  /// - Parameters:
  ///   - requests: What to place.
  ///   - alignment: Every offset is a multiple of this.
  ///   - limit: No buffer grows beyond this, unless one thing alone is larger.
  init(_ requests: [Request], alignment: Int, limit: Int) {
    var places = [Place](repeating: Place(bin: 0, offset: 0), count: requests.count)
    var bins: [[Int]] = []
    var sizes: [Int] = []
    let limit = max(limit, requests.map(\.size).max() ?? 0)
    let order = requests.indices.sorted {
      (requests[$1].size, $0) < (requests[$0].size, $1)
    }
    for index in order {
      let request = requests[index]
      var bin = 0
      while true {
        if bin == bins.count {
          bins.append([])
          sizes.append(0)
        }
        let offset = Self.lowestOffset(
          for: request, among: bins[bin].map { (requests[$0], places[$0].offset) },
          alignment: alignment)
        if offset + request.size <= limit || bins[bin].isEmpty {
          places[index] = Place(bin: bin, offset: offset)
          bins[bin].append(index)
          sizes[bin] = max(sizes[bin], offset + request.size)
          break
        }
        bin += 1
      }
    }
    self.places = places
    binSizes = sizes
  }

  private static func lowestOffset(
    for request: Request, among placed: [(Request, Int)], alignment: Int
  ) -> Int {
    let rivals =
      placed
      .filter { $0.0.start <= request.end && request.start <= $0.0.end }
      .sorted { $0.1 < $1.1 }
    var offset = 0
    for (rival, start) in rivals {
      if offset + request.size <= start { break }
      offset = max(offset, (start + rival.size + alignment - 1) / alignment * alignment)
    }
    return offset
  }
}
