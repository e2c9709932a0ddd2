import { useState } from 'preact/hooks';
import { download } from '../api/client.ts';
import { wordsOf } from '../ui/asked.ts';
import { Trouble } from '../ui/parts.tsx';
import type { Report } from './cited.ts';

const forms = [
  ['report.pdf', 'PDF'],
  ['report.docx', 'Word'],
  ['report.md', 'Markdown'],
  ['bundle.tar', 'Sealed bundle'],
] as const;

/** The report as a file. */
export function Exports({ report }: { report: Report }) {
  const [fault, setFault] = useState<string | null>(null);
  const save = async (file: string): Promise<void> => {
    setFault(null);
    try {
      await download(`/v1/research/${report.run_id}/${file}`, `${report.run_id}-${file}`);
    } catch (error) {
      setFault(wordsOf(error));
    }
  };
  return (
    <div class="exports" role="group" aria-label="Save the report">
      {forms.map(([file, label]) => (
        <button key={file} type="button" onClick={() => void save(file)}>
          {label}
        </button>
      ))}
      <button type="button" onClick={() => saveJson(report)}>
        JSON
      </button>
      {fault !== null && <Trouble message={fault} />}
    </div>
  );
}

function saveJson(report: Report): void {
  const address = URL.createObjectURL(new Blob([JSON.stringify(report, null, 2)], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = `${report.run_id}-report.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 30_000);
}
