import Networks
import Reference

/// The result of a graph for a batch, `[N]` + input shape, on the CPU reference path.
func evaluated(_ graph: Graph, _ input: Tensor<Float>) -> Tensor<Float> {
  ReferenceNetwork(graph).forward(input)
}
