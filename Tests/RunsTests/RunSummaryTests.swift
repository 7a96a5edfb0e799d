import Foundation
import Runs
import Testing

private func result(
  _ id: Int, attempted: Bool = true, l2: Double? = nil, l28Bit: Double? = nil, label: Int? = 1
) -> SampleResult {
  SampleResult(
    id: id, name: "a,\"\(id)\"\nb", label: label, cleanClass: attempted ? 1 : 2,
    attempted: attempted, success: l2 != nil, success8Bit: l28Bit != nil,
    l2: l2, linf: l2.map { $0 / 4 }, rms: l2.map { $0 / 8 }, l28Bit: l28Bit,
    forwardEvaluations: attempted ? 10 * id : 1, gradientEvaluations: attempted ? id : 0,
    stopReason: "s")
}

struct RunSummaryTests {
  /// Against `scipy.stats.binomtest(k, n).proportion_ci(method="wilson")`, scipy 1.x.
  @Test(arguments: [
    (0, 10, 0.0, 0.27753279986288926),
    (1, 10, 0.017876213095072896, 0.4041500267952385),
    (5, 10, 0.236593090512564, 0.7634069094874361),
    (10, 10, 0.7224672001371109, 1.0),
    (64, 64, 0.9433759402071946, 1.0),
    (37, 50, 0.6044684273515115, 0.8412847250644762),
    (999, 1000, 0.9943574414020421, 0.9998234536293739),
    (1, 1, 0.20654931437723745, 1.0),
    (12345, 50000, 0.24313990330764326, 0.25069898463372897),
  ])
  func `gives Wilson's interval as scipy does`(
    successes: Int, trials: Int, low: Double, high: Double
  ) throws {
    let interval = try #require(wilsonInterval(successes: successes, trials: trials))
    #expect(abs(interval.lowerBound - low) <= 1e-15)
    #expect(abs(interval.upperBound - high) <= 1e-15)
  }

  @Test func `gives Newcombe's intervals as he printed them`() throws {
    for (first, second, low, high) in [
      ((56, 70), (48, 80), 0.0524, 0.3339), ((10, 10), (0, 20), 0.6791, 1),
    ] {
      let interval = try #require(newcombeInterval(first, second))
      #expect(abs(interval.lowerBound - low) < 5e-5 && abs(interval.upperBound - high) < 5e-5)
    }
    #expect(newcombeInterval((0, 0), (1, 2)) == nil)
  }

  @Test func `counts, averages and medians as documented`() {
    let results = [
      result(4, l2: 0.5, l28Bit: 0.75), result(1, l2: 1), result(2, l2: 4, l28Bit: 4.25),
      result(3), result(5, attempted: false), result(6, l2: 2, label: nil),
    ]
    let summary = RunSummary(results: results)
    #expect(summary.samples == 6)
    #expect(summary.cleanCorrect == 4)
    #expect(summary.attempted == 5)
    #expect(summary.succeeded == 4)
    #expect(summary.succeeded8Bit == 2)
    #expect(summary.successRate == 0.8)
    #expect(summary.meanL2 == 1.875)
    #expect(summary.medianL2 == 1.5)
    #expect(summary.medianL2All == 2)
    #expect(summary.meanL28Bit == 2.5)
    #expect(summary.meanRMS == 1.875 / 8)
    #expect(summary.meanLinf == 1.875 / 4)
    #expect(summary.forwardEvaluations == 161)
    #expect(summary.gradientEvaluations == 16)
    #expect(summary.meanForwardEvaluations == 32)
    #expect(summary.meanGradientEvaluations == 3.2)
    #expect(RunSummary(results: results.reversed()) == summary)
  }

  @Test func `knows no infinite median and no mean of nothing`() throws {
    let half = RunSummary(results: [result(0, l2: 1), result(1)])
    #expect(half.medianL2All == nil)
    #expect(half.medianL2 == 1)
    let none = RunSummary(results: [])
    #expect(none.successRate == nil)
    let data = try JSONEncoder().encode(none)
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(
      Set(object.keys) == [
        "samples", "clean_correct", "attempted", "succeeded", "succeeded_8bit", "success_rate",
        "success_rate_low", "success_rate_high", "mean_l2", "median_l2", "median_l2_all",
        "mean_l2_8bit", "mean_rms", "mean_linf", "forward_evaluations", "gradient_evaluations",
        "mean_forward_evaluations", "mean_gradient_evaluations",
      ])
    #expect(object["mean_l2"] is NSNull)
    #expect(try JSONDecoder().decode(RunSummary.self, from: data) == none)
  }

  @Test func `exports values that read back unchanged`() throws {
    let text = ResultsTable([result(1, l2: 0.1 + 0.2)]).commaSeparatedValues
    #expect(
      text == """
        id,name,label,clean_class,target,adversarial_class,clean_correct,attempted,success,\
        success_8bit,l0,l1,l2,linf,rms,l2_8bit,c,forward_evaluations,gradient_evaluations,\
        iterations,stop_reason,seconds,picture,picture_fools
        1,"a,""1""
        b",1,1,,,1,1,1,0,,,0.30000000000000004,0.07500000000000001,0.037500000000000006,,,10,1,0,\
        s,,,

        """)
    let scratch = try Scratch()
    defer { scratch.clear() }
    let file = scratch.url.appending(path: "results.csv")
    try ResultsTable([result(1, l2: 0.1 + 0.2)]).writeCommaSeparatedValues(to: file)
    #expect(try String(contentsOf: file, encoding: .utf8) == text)
    #expect(paths(scratch.url) == ["results.csv"])
  }

  @Test func `sets runs side by side`() {
    let summary = RunSummary(results: [result(2, l2: 0.5), result(3)])
    let report = RunReport([
      .init(name: "pgd|a", summary: summary), .init(name: "none", summary: .init(results: [])),
    ])
    #expect(
      report.markdown == """
        | attack | samples | success [95 % interval] | 8-bit | mean L2 | median L2 | mean RMS | \
        mean L-inf | forward | gradients |
        | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
        | pgd\\|a | 2 | 1/2 = 50.0 % [9.5, 90.5] | 0/2 | 0.500 | 0.500 | 0.06250 | 0.125 | 25.0 | \
        2.500 |
        | none | 0 | 0/0 | 0/0 | - | - | - | - | - | - |

        """)
    let lines = report.text.split(separator: "\n")
    #expect(lines.count == 3)
    #expect(Set(lines.map(\.count)).count == 1)
  }

  @Test func `hashes lists so that their division into lines counts`() {
    // sha256sum of "a,1\nb,2\n".
    #expect(
      RunDescription.listSHA256(of: ["a,1", "b,2"])
        == "e5fd38088cdea99f970183c3cfb6b06c5c20b22b52eac097729a490f5b7b5e04")
    #expect(
      RunDescription.listSHA256(of: ["a,1b,2"]) != RunDescription.listSHA256(of: ["a,1", "b,2"]))
  }

  @Test func `reads settings back as they were written`() throws {
    let value: JSONValue = .object([
      "a": .array([1, 0.5, true]), "b": .null, "c": "text", "d": .integer(1 << 60), "e": .number(2),
    ])
    let data = try JSONEncoder().encode(value)
    #expect(try JSONDecoder().decode(JSONValue.self, from: data).description == value.description)
    #expect(JSONValue.number(2).description == JSONValue.integer(2).description)
  }
}
