// Every exported symbol is explained where it is declared; those of the product with an example, too.
import { relative } from 'node:path';
import ts from 'typescript';

/** One line for each exported symbol of these entries that lacks its sentence or, with `examples`, its example. */
export function undocumented(entries, { examples }) {
  const { ModuleKind, ModuleResolutionKind, ScriptTarget } = ts;
  const options = {
    module: ModuleKind.NodeNext,
    moduleResolution: ModuleResolutionKind.NodeNext,
    target: ScriptTarget.ES2023,
    types: ['node'],
    skipLibCheck: true,
  };
  const program = ts.createProgram(entries, options);
  const checker = program.getTypeChecker();
  const exportsOf = (entry) =>
    checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry)));
  return entries.flatMap(exportsOf).flatMap((exported) => {
    const symbol =
      exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const lacks = [
      ...(symbol.getDocumentationComment(checker).length > 0 ? [] : ['a sentence']),
      ...(!examples || symbol.getJsDocTags(checker).some(({ name }) => name === 'example')
        ? []
        : ['an @example']),
    ];
    return lacks.length > 0
      ? [
          `${exported.name} in ${relative(process.cwd(), symbol.declarations[0].getSourceFile().fileName)} lacks ${lacks.join(' and ')}`,
        ]
      : [];
  });
}
