// Minimizers
