/** For the few fixed envelopes of the XML protocols; everything of an operation goes through the SDK's serializer. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
